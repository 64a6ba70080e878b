"""What the page Cases is made of."""
