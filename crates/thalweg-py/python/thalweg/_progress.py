"""How far a run is, in a line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[int, int, float], None]


@contextmanager
def watching(progress: bool | Tell) -> Iterator[Tell | None]:
    """What a run is to call: nothing, the given function, or one that shows a line where somebody sees it."""
    if callable(progress):
        yield progress
        return
    if not progress or not _seen():
        yield None
        return
    line = _Line()
    try:
        yield line
    finally:
        line.end()


def _seen() -> bool:
    """Whether there is a terminal, or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class _Line:
    """A line that is written over, at most ten times a second."""

    def __init__(self) -> None:
        self.last = -1.0
        self.width = 0

    def __call__(self, done: int, all_: int, seconds: float) -> None:
        if seconds - self.last < 0.1:
            return
        self.last = seconds
        share = done / all_ if all_ else 0.0
        bar = "█" * round(20 * share)
        text = f"{bar:20} {done} of {all_ or '?'} replicates, {seconds:.1f} s"
        if 0 < share < 1:
            text += f", at most {seconds / share - seconds:.0f} s left"
        self._write(text)

    def _write(self, text: str) -> None:
        sys.stderr.write("\r" + text.ljust(self.width))
        sys.stderr.flush()
        self.width = len(text)

    def end(self) -> None:
        if self.width:
            self._write("")
            sys.stderr.write("\r")
            sys.stderr.flush()
