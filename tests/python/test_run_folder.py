"""What Thalweg writes opens in the tools people have, and means there what it says.

THALWEG=target/debug/thalweg pytest tests/python
"""

import json
import math
import os
import pathlib
import subprocess
import tomllib

import duckdb
import jsonschema
import numpy as np
import pandas
import polars
import pytest
from safetensors.numpy import load_file
from scipy.special import erf

pytestmark = pytest.mark.skipif("THALWEG" not in os.environ, reason="THALWEG names no program")

STUDIES = sorted((pathlib.Path(__file__).parents[2] / "studies").glob("*.toml"))
REPLICATES, KEPT = 6, 2
# The base cell and one for each value of the comparison.
ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "gelu": lambda z: z * (1 + erf(z / math.sqrt(2))) / 2,
}

STUDY = f"""
title = "A small study"
seed = 7
replicates = {REPLICATES}

[data]
points = 5
dim = 3

[net]
hidden = [4]
activation = "tanh"

[descent]
rate = 0.02
steps = 200

[keep]
replicates = {KEPT}

[[compare]]
name = "activation"
"net.activation" = ["relu", "gelu"]
"""


def thalweg(*arguments):
    """What the program printed; a failure shows what it said."""
    command = [os.environ["THALWEG"], *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    work = tmp_path_factory.mktemp("run")
    (work / "study.toml").write_text(STUDY)
    thalweg("run", work / "study.toml", "--out", work / "out")
    return work / "out"


def plain(rows):
    """Rows of Python values; a missing number and NaN are both None, as in pandas."""

    def value(v):
        if hasattr(v, "tolist"):
            v = v.tolist()
        if isinstance(v, list | tuple):
            return [value(w) for w in v]
        if v is None or v is pandas.NA or (isinstance(v, float) and math.isnan(v)):
            return None
        return v

    return [[value(v) for v in row] for row in rows]


@pytest.mark.parametrize("name", ["replicates", "curves", "cells"])
def test_a_table_is_the_same_in_polars_pandas_and_duckdb(folder, name):
    path = folder / f"{name}.parquet"
    of_polars = polars.read_parquet(path)
    of_pandas = pandas.read_parquet(path, dtype_backend="pyarrow")
    of_duckdb = duckdb.read_parquet(str(path))
    assert of_polars.height > 0
    assert of_polars.columns == list(of_pandas.columns) == of_duckdb.columns
    rows = plain(of_polars.rows())
    assert plain(of_pandas.astype(object).itertuples(index=False)) == rows
    assert plain(of_duckdb.fetchall()) == rows


def test_csv_tables_of_comparisons_hold_numbers(folder):
    paths = [*(folder / "tables").glob("*-success.csv"), *(folder / "tables").glob("*-paired.csv")]
    assert paths
    for path in paths:
        table = polars.read_csv(path, infer_schema_length=None)
        numbers = table.columns[table.columns.index("cell") :]
        numbers = [name for name in numbers if name != "most failures"]
        assert all(table[name].dtype.is_numeric() or table[name].is_null().all() for name in numbers), path
        if "successes" in numbers:
            assert (table["successes"] / table["replicates"] - table["share"]).abs().max() < 1e-12
            assert (table["share_low"] <= table["share"]).all()


def test_there_is_a_row_for_each_replicate_and_each_cell(folder):
    replicates = polars.read_parquet(folder / "replicates.parquet")
    cells = polars.read_parquet(folder / "cells.parquet")
    assert cells.height == len(ACTIVATIONS)
    assert replicates.height == REPLICATES * cells.height
    known = {"cell", "replicate", "outcome", "steps", "initial_loss", "best_loss", "final_loss"}
    assert known <= set(replicates.columns)
    assert replicates.select("cell", "replicate").is_unique().all()
    assert (replicates["best_loss"] <= replicates["initial_loss"]).all()


@pytest.mark.parametrize("cell", range(len(ACTIVATIONS)))
@pytest.mark.parametrize("replicate", range(KEPT))
def test_kept_weights_give_the_kept_outputs(folder, cell, replicate):
    name = f"cell-{cell:03}-replicate-{replicate:03}"
    weights = load_file(folder / "weights" / f"{name}.safetensors")
    data = load_file(folder / "weights" / f"{name}.data.safetensors")
    assert data["x"].shape == (5, 3)
    assert data["y"].shape == data["outputs"].shape == (5,)
    # Names and shapes of the state_dict of Sequential(Linear(3, 4), an activation, Linear(4, 1)).
    shapes = {"0.weight": (4, 3), "0.bias": (4,), "2.weight": (1, 4), "2.bias": (1,)}
    assert {key: tensor.shape for key, tensor in weights.items()} == shapes
    w = {key: tensor.astype(float) for key, tensor in weights.items()}
    phi = list(ACTIVATIONS.values())[cell]
    hidden = phi(data["x"].astype(float) @ w["0.weight"].T + w["0.bias"])
    outputs = (hidden @ w["2.weight"].T + w["2.bias"])[:, 0]
    np.testing.assert_allclose(outputs, data["outputs"], rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(thalweg("studies", "schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_there_are_studies():
    assert STUDIES


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_schema_accepts_a_shipped_study(validator, path):
    validator.validate(tomllib.loads(path.read_text()))


def test_the_schema_refuses_an_unknown_key(validator):
    study = tomllib.loads(STUDY)
    assert validator.is_valid(study)
    study["net"]["hiden"] = [4]
    assert not validator.is_valid(study)
