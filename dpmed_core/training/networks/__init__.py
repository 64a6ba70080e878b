"""Network architectures without batch normalisation, and the layers that they are built of."""
