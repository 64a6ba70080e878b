"""What one guarantee means: the trade-off between an attacker's two errors, and the odds that follow from it."""
