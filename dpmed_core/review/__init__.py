"""Reviews: what a meeting looked at, frozen; what people said of it; what they decided."""
