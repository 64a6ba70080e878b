"""`python -m dpmed_core COMMAND`."""

if __name__ == "__main__":
    from dpmed_core.cli import main  # here, so that processes which this one spawns start without the command line

    main()
