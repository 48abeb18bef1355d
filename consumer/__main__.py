"""``python -m consumer``: the command line, where the package is not installed."""

from consumer.cli import main

if __name__ == "__main__":
    main()
