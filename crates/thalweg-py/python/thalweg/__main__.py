"""The program ``thalweg``."""

import sys

from . import _thalweg
from ._cuda import load_nvrtc


def main() -> int:
    """Runs the program with the arguments of this process."""
    if any(word in argument for argument in sys.argv[1:] for word in ("gpu", "auto", "devices")):
        load_nvrtc()
    return _thalweg.main(["thalweg", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
