"""``python -m ddbetl``: the same as ``ddbetl``."""

from ddbetl.cli import main

if __name__ == "__main__":
    main()
