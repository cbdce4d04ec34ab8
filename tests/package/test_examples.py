"""Every cell of the notebooks in `examples` runs, and what it ends with can be shown."""

import ast
import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def shown(value):
    """As a notebook shows it."""
    for form in ("_repr_html_", "_repr_svg_", "__repr__"):
        if hasattr(value, form) and (text := getattr(value, form)()):
            return text
    raise AssertionError(f"{value!r} shows nothing")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_cell_runs(path, tmp_path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    if "import torch" in "".join(sources) and find_spec("torch") is None:
        pytest.skip("there is no PyTorch")
    names = {"__name__": path.stem}
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        for source in sources:
            tree = ast.parse(source, path.name)
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, path.name, "exec"), names)
            if last is not None and (value := eval(compile(ast.Expression(last.value), path.name, "eval"), names)) is not None:
                assert shown(value)
    finally:
        os.chdir(here)
