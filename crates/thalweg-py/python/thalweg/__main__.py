"""The program ``thalweg``."""

import sys

from . import _thalweg


def main() -> int:
    """Runs the program with the arguments of this process."""
    return _thalweg.main(["thalweg", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
