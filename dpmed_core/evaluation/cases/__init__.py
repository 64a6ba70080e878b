"""What the models say of single held-out cases."""
