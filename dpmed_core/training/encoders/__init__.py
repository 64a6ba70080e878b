"""Public encoders: fixed features of an image, learnt from synthetic images or designed, never from patients."""
