"""Which parts of an image a model's answer rests on, what a map is worth, and which cases are alike; torch only where maps are drawn."""
