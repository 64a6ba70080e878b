"""The ledger: what every model ever trained spent on each patient, as a chain of entries that nobody can change unseen."""
