"""The budget axis, and what follows it in the browser while it is moved."""
