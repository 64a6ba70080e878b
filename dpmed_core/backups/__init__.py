"""Safety copies: one archive with a data folder and its database, made while others work, and put back whole."""
