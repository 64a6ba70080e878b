"""Studies with several readers and arms as they are read: what is planned, whose session is open, answers, and the ratings at the end."""
