"""Public encoders: fixed features of an image, trained on synthetic images or designed, never fitted to patients' images."""
