"""How far a run is: a line, or a bar in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[int, int, float], None]


@contextmanager
def watching(progress: bool | Tell) -> Iterator[Tell | None]:
    """What a run is to call: nothing, the given function, or one that shows it where somebody sees it."""
    if callable(progress):
        yield progress
        return
    if not progress or not _seen():
        yield None
        return
    shown = _Bar() if _has_widgets() else _Line()
    try:
        yield shown
    finally:
        shown.end()


def _seen() -> bool:
    """Whether there is a terminal, or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def _has_widgets() -> bool:
    """Whether this is the kernel of a notebook, and ipywidgets are installed."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if getattr(shell, "kernel", None) is None:
        return False
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        return False
    return True


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
        text = f"{done} of {all_ or '?'} replicates, {seconds:.1f} s"
        if 0 < share < 1:
            text += f", at most {seconds / share - seconds:.0f} s left"
        self.show(share, text)

    def show(self, share: float, text: str) -> None:
        self._write(f"{'█' * round(20 * share):20} {text}")

    def _write(self, text: str) -> None:
        sys.stderr.write("\r" + text.ljust(self.width))
        sys.stderr.flush()
        self.width = len(text)

    def end(self) -> None:
        if self.width:
            self._write("")
            sys.stderr.write("\r")
            sys.stderr.flush()


class _Bar(_Line):
    """The same as a widget, which is gone at the end."""

    def __init__(self) -> None:
        super().__init__()
        from IPython.display import display
        from ipywidgets import FloatProgress, HBox, Label

        self.bar, self.label = FloatProgress(max=1.0), Label()
        self.box = HBox([self.bar, self.label])
        display(self.box)

    def show(self, share: float, text: str) -> None:
        self.bar.value, self.label.value = share, text

    def end(self) -> None:
        for widget in (self.box, self.bar, self.label):
            # Those of which it consists are not closed with it, and would stay until the kernel ends.
            for part in (widget, widget.layout, getattr(widget, "style", None)):
                if part is not None:
                    part.close()
