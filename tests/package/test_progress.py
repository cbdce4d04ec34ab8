"""How far a run is, as it is shown: a line, or a bar where there are ipywidgets. Run by `./check`; tests that need
ipywidgets, or a kernel to run a notebook in, are skipped where they are not installed."""

import io
import sys
import types

import pytest

import thalweg as tw
from thalweg import _progress

STUDY = tw.Study(points=4, dim=3, hidden=[8], rate=0.01, steps=100_000, stop="never", replicates=400, seed=7)
SHORT = STUDY.set(steps=200, replicates=20)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    # Not that of `sys`, which pytest puts back between a fixture and its test.
    stderr = Terminal()
    monkeypatch.setattr(_progress, "sys", types.SimpleNamespace(stderr=stderr, modules=sys.modules))
    return stderr


def test_a_terminal_has_a_line_that_is_gone_at_the_end(terminal):
    SHORT.run()
    first, *_, last = terminal.getvalue().split("\r")
    assert first == "" and last == "" and "of 20 replicates" in terminal.getvalue()


@pytest.fixture
def widgets(monkeypatch, terminal):
    """ipywidgets as they are, in what passes for a kernel; those that are open, by their class."""
    real = pytest.importorskip("ipywidgets")
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: types.SimpleNamespace(kernel=object()))
    made = []
    for name in ("FloatProgress", "HBox", "Label"):
        kind = getattr(real, name)

        def make(*arguments, kind=kind, **settings):
            made.append(kind(*arguments, **settings))
            return made[-1]

        monkeypatch.setattr(real, name, make)
    return made


def closed(widgets):
    assert len(widgets) == 3
    return all(widget.comm is None and widget.layout.comm is None for widget in widgets)


def test_a_notebook_has_a_bar_with_the_same_text(widgets, terminal):
    SHORT.run()
    bar, label, _ = widgets
    assert "of 20 replicates" in label.value and 0 <= bar.value <= 1
    assert closed(widgets)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_bar_is_closed_whatever_ends_the_run(widgets, error):
    def fail(*_):
        assert not closed(widgets)
        raise error

    with pytest.raises(error), _progress.watching(True) as tell:
        tell(1, 10, 1.0)
        fail()
    assert closed(widgets)


def test_ctrl_c_closes_the_bar_of_a_run(widgets, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_progress._Bar, "show", interrupted)
    with pytest.raises(KeyboardInterrupt):
        STUDY.run()
    assert closed(widgets)


def test_without_widgets_a_notebook_has_the_line(monkeypatch, terminal):
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=1)))
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    SHORT.run()
    assert "of 20 replicates" in terminal.getvalue()


BEGIN = """
import os, signal, threading
import ipywidgets
import thalweg as tw

study = tw.Study(points=4, dim=3, hidden=[8], rate=0.01, steps=20_000, stop="never", replicates=400)
closed = []
close = ipywidgets.HBox.close
ipywidgets.HBox.close = lambda box: (closed.append(box), close(box))
"""
STOPPED = """
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
study.set(replicates=100_000).run()
"""


def test_a_kernel_shows_the_bar_and_then_the_answer():
    pytest.importorskip("ipywidgets")
    pytest.importorskip("ipykernel")
    nbclient = pytest.importorskip("nbclient")
    import nbformat

    cells = [nbformat.v4.new_code_cell(source) for source in (BEGIN, "study.run()", STOPPED, "len(closed)")]
    cells[2].metadata["tags"] = ["raises-exception"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    _, shown, stopped, count = (cell.outputs for cell in notebook.cells)
    assert stopped[-1]["ename"] == "KeyboardInterrupt"
    assert count[0]["data"]["text/plain"] == "2"
    widget, *_, answer = shown
    assert "application/vnd.jupyter.widget-view+json" in widget["data"]
    assert "<svg" in answer["data"]["text/html"]
    # The line is not written too.
    assert not any(output.get("name") == "stderr" for output in shown)
