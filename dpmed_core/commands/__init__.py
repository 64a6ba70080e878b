"""The commands of the command line; each asks the core and says what came of it."""
