"""The goldens of the statistics are what SciPy, statsmodels and lifelines still say.

lifelines and the pandas of the other tests exclude each other, so this is skipped unless it runs where
the libraries that `tests/stats/write_goldens.py` names are installed.
"""

import importlib.util
import json
import math
from pathlib import Path

import pytest

pytest.importorskip("statsmodels")
pytest.importorskip("lifelines")

SCRIPT = Path(__file__).parents[1] / "stats" / "write_goldens.py"


def same(here, there, path=""):
    assert type(here) is type(there) or isinstance(here, (int, float)), path
    if isinstance(here, dict):
        assert here.keys() == there.keys(), path
        for key in here:
            if key != "by":
                same(here[key], there[key], f"{path}.{key}")
    elif isinstance(here, list):
        assert len(here) == len(there), path
        for i, (a, b) in enumerate(zip(here, there)):
            same(a, b, f"{path}[{i}]")
    elif isinstance(here, (int, float)):
        assert math.isclose(here, there, rel_tol=1e-6, abs_tol=1e-12), f"{path}: {here} {there}"
    else:
        assert here == there, path


def test_the_goldens_are_what_the_libraries_say():
    spec = importlib.util.spec_from_file_location("write_goldens", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    now = json.loads(json.dumps(module.goldens()))
    same(now, json.loads(module.FILE.read_text()))
