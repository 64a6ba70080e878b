"""DP-SGD: the private step, each unit's clipped gradient in one backward pass, secure randomness, and noise."""
