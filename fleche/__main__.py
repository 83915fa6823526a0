"""``python -m fleche`` is the command ``fleche``."""

from fleche.cli import main

if __name__ == "__main__":
    main()
