"""``python -m consumer``: the command line where the package is not installed, as in a fresh checkout."""

from consumer.cli import main

if __name__ == "__main__":
    main()
