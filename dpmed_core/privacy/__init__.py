"""What is spent on patients' privacy, and what that means."""
