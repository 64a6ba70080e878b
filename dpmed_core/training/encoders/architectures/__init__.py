"""Plain published architectures in which encoders are added: pooled features of an image, without the layer that classifies."""
