"""CT volumes: the grid on which all of them are stored."""
