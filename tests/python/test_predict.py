"""What `thalweg theory predict` says is what NumPy makes of the kernels that `thalweg theory kernel` writes."""

import json
import os
import subprocess

import numpy as np
import pytest

STUDY = """
replicates = 2
[data]
points = 9
dim = 2
targets = {{ cosine = 2 }}
[net]
hidden = [16, 16]
activation = "{activation}"
init = "lecun_normal"
parameterization = "ntk"
[descent]
loss = "half_mean"
rate = 0.2
[test]
points = 7
ridge = 0.05
"""


def thalweg(folder, *arguments):
    done = subprocess.run(
        [os.environ["THALWEG"], *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("activation", ["relu", "erf", "tanh"])
def test_predictions_follow_from_the_kernels(tmp_path, activation):
    (tmp_path / "s.toml").write_text(STUDY.format(activation=activation))
    said = json.loads(thalweg(tmp_path, "theory", "predict", "s.toml", "--steps", "40", "--json"))
    thalweg(tmp_path, "theory", "predict", "s.toml", "--steps", "40", "--out", "p.npz")
    thalweg(tmp_path, "theory", "kernel", "s.toml", "--out", "train.npz")
    train = np.load(tmp_path / "train.npz")
    x, z = train["x"], np.array(said["x"])
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "z.npy", z)
    thalweg(tmp_path, "theory", "kernel", "s.toml", "--inputs", "z.npy", "--with", "x.npy", "--out", "cross.npz")
    thalweg(tmp_path, "theory", "kernel", "s.toml", "--inputs", "z.npy", "--out", "new.npz")
    cross, new = np.load(tmp_path / "cross.npz"), np.load(tmp_path / "new.npz")
    n, ridge = len(x), 0.05
    # The targets are a function of the inputs.
    y, y_new = (np.cos(2 * np.arctan2(a[:, 1], a[:, 0])) for a in (x, z))
    np.testing.assert_allclose(np.ravel(said["y"]), y_new, atol=1e-12)

    theta, k = train["ntk"], train["nngp"]
    values, vectors = np.linalg.eigh(theta)
    # Gradient descent on Σ r²/(2 N), mode by mode.
    left = (1 - said["rate"] * values / n) ** 40
    gains = {
        "ntk": vectors @ np.diag((1 - left) / values) @ vectors.T,
        "ntk_regression": np.linalg.inv(theta + ridge * np.eye(n)),
    }
    expected = {}
    for name, gain in gains.items():
        b = cross["ntk"] @ gain
        covariance = new["nngp"] - b @ cross["nngp"].T - cross["nngp"] @ b.T + b @ k @ b.T
        expected[name] = (b @ y, np.sqrt(np.diag(covariance)))
    b = cross["nngp"] @ np.linalg.inv(k + ridge * np.eye(n))
    expected["nngp"] = (b @ y, np.sqrt(np.diag(new["nngp"] - b @ cross["nngp"].T)))

    written = np.load(tmp_path / "p.npz")
    for name, (mean, std) in expected.items():
        np.testing.assert_allclose(np.ravel(said[name]["mean"]), mean, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(np.ravel(said[name]["std"]), std, rtol=1e-6, atol=1e-7)
        square = np.mean((mean - y_new) ** 2 + std**2)
        np.testing.assert_allclose(said[name]["expected_square"], square, rtol=1e-6)
        np.testing.assert_allclose(written[f"{name}_mean"], mean, rtol=1e-8, atol=1e-9)
