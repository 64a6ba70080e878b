"""Each unit's clipped gradient in one backward pass, exactly: whose films are whose, what each kind of layer contributes, the module."""
