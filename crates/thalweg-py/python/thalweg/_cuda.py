"""NVRTC from the wheel ``nvidia-cuda-nvrtc``, which ``pip install thalweg[cuda]`` brings, where the engine finds it."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path


def load_nvrtc() -> None:
    """Loads the library, if the wheel is there; else the system's is looked for.

    The loader finds a library by its name once it is loaded, wherever it lies; NVRTC looks for its built-in functions
    in the same way, so they come first.
    """
    spec = importlib.util.find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else None
    found = [path for folder in folders or [] for path in Path(folder).rglob("libnvrtc*.so*")]
    for path in sorted(found, key=lambda path: "builtins" not in path.name):
        if ".alt" in path.name:
            continue
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            # Another system's, or damaged: the engine says what it misses.
            continue
