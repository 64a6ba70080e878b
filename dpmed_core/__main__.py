"""`python -m dpmed_core COMMAND`."""

from dpmed_core.cli import main

if __name__ == "__main__":
    main()
