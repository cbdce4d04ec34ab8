"""A few lines of NumPy reproduce any random draw of a run.

THALWEG=target/debug/thalweg pytest tests/python
"""

import os
import subprocess

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy.special import ndtri

pytestmark = pytest.mark.skipif("THALWEG" not in os.environ, reason="THALWEG names no program")

SEED, POINTS, HIDDEN, REPLICATES = 2018, 7, [4, 6], 3
DATA, INIT = 0, 1


def thalweg(*arguments):
    """What the program printed; a failure shows what it said."""
    command = [os.environ["THALWEG"], *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def uniform(replicate, purpose, part, count):
    """Numbers in (0, 1) from the stream of a replicate, a purpose and a part."""
    stream = np.random.Philox(key=[SEED, replicate], counter=[0, part, purpose, 0])
    return ((stream.random_raw(count) >> 12) + 0.5) * 2.0**-52


@pytest.fixture(scope="module", params=[("f32", 1e-6), ("f64", 1e-12)], ids=["f32", "f64"])
def start(request, tmp_path_factory):
    """The folder of weights after no step at all, and the relative error of the number format."""
    precision, rtol = request.param
    work = tmp_path_factory.mktemp(precision)
    (work / "study.toml").write_text(f"""
title = "Draws"
seed = {SEED}
replicates = {REPLICATES}
data = {{ points = {POINTS}, dim = 3 }}
net = {{ hidden = {HIDDEN} }}
descent = {{ steps = 0, rate = 0.01, precision = "{precision}" }}
keep = {{ replicates = {REPLICATES} }}
""")
    thalweg("run", work / "study.toml", "--out", work / "out")
    return work / "out" / "weights", rtol


@pytest.mark.parametrize("replicate", range(REPLICATES))
def test_numpy_draws_the_training_set(start, replicate):
    folder, rtol = start
    data = load_file(folder / f"cell-000-replicate-{replicate:03}.data.safetensors")
    y = ndtri(uniform(replicate, DATA, 0, POINTS))
    x = np.column_stack([ndtri(uniform(replicate, DATA, 1 + j, POINTS)) for j in range(3)])
    np.testing.assert_allclose(data["y"], y, rtol=rtol)
    np.testing.assert_allclose(data["x"], x, rtol=rtol)


@pytest.mark.parametrize("replicate", range(REPLICATES))
def test_numpy_draws_inputs_that_are_kept_apart(tmp_path, replicate):
    least, points, rows = 0.45, 20, 1000
    (tmp_path / "study.toml").write_text(f"""
title = "Draws"
seed = {SEED}
replicates = {REPLICATES}
data = {{ points = {points}, dim = 2, nearest = {{ at_least = {least} }} }}
net = {{ hidden = [2] }}
descent = {{ steps = 0, rate = 0.01, precision = "f64" }}
keep = {{ replicates = {REPLICATES} }}
""")
    thalweg("run", tmp_path / "study.toml", "--out", tmp_path / "out")
    name = f"cell-000-replicate-{replicate:03}.data.safetensors"
    data = load_file(tmp_path / "out" / "weights" / name)
    z = np.column_stack([ndtri(uniform(replicate, DATA, 1 + j, rows)) for j in range(2)])
    candidates = iter(z)
    x = np.array([next(candidates) for _ in range(points)])
    for i in range(points):
        while i and np.linalg.norm(x[:i] - x[i], axis=1).min() < least:
            x[i] = next(candidates)
    np.testing.assert_allclose(data["x"], x, rtol=1e-12)


@pytest.mark.parametrize("replicate", range(REPLICATES))
def test_numpy_draws_the_parities_with_noise_and_uniform_weights(tmp_path, replicate):
    (tmp_path / "study.toml").write_text(f"""
title = "Draws"
seed = {SEED}
replicates = {REPLICATES}
data = {{ points = {POINTS}, dim = 3, inputs = "hypercube", targets = "parity", noise = 0.1 }}
net = {{ hidden = [2], init = {{ uniform = [-1.0, 0.5] }} }}
descent = {{ steps = 0, rate = 0.01, precision = "f64" }}
keep = {{ replicates = {REPLICATES} }}
""")
    thalweg("run", tmp_path / "study.toml", "--out", tmp_path / "out")
    name = f"cell-000-replicate-{replicate:03}"
    data = load_file(tmp_path / "out" / "weights" / f"{name}.data.safetensors")
    weights = load_file(tmp_path / "out" / "weights" / f"{name}.safetensors")
    x = np.column_stack([np.where(uniform(replicate, DATA, 1 + j, POINTS) < 0.5, -1.0, 1.0) for j in range(3)])
    noise = 0.1 * ndtri(uniform(replicate, DATA, 2**34, POINTS))
    np.testing.assert_array_equal(data["x"], x)
    np.testing.assert_allclose(data["y"], x.prod(axis=1) + noise, rtol=1e-12)
    for part, (key, shape) in enumerate([("0.weight", (2, 3)), ("0.bias", (2,)), ("2.weight", (1, 2)), ("2.bias", (1,))]):
        drawn = -1 + 1.5 * uniform(replicate, INIT, part, int(np.prod(shape)))
        np.testing.assert_allclose(weights[key], drawn.reshape(shape), rtol=1e-12)


@pytest.mark.parametrize("replicate", range(REPLICATES))
def test_numpy_draws_the_initial_weights(start, replicate):
    folder, rtol = start
    weights = load_file(folder / f"cell-000-replicate-{replicate:03}.safetensors")
    sizes = [3, *HIDDEN, 1]
    assert len(weights) == 2 * (len(sizes) - 1)
    for layer, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:])):
        bound = 1 / np.sqrt(fan_in)
        weight = bound * (2 * uniform(replicate, INIT, 2 * layer, fan_out * fan_in) - 1)
        bias = bound * (2 * uniform(replicate, INIT, 2 * layer + 1, fan_out) - 1)
        found = weights[f"{2 * layer}.weight"], weights[f"{2 * layer}.bias"]
        np.testing.assert_allclose(found[0], weight.reshape(fan_out, fan_in), rtol=rtol)
        np.testing.assert_allclose(found[1], bias, rtol=rtol)
