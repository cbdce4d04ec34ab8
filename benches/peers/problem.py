"""The workload that every form trains: draws, sizes, and how it is counted.

R independent networks d-H-H-1 with biases, N = 20 standard normal points in d = 15 dimensions, loss = sum of
squared residuals, full-batch plain gradient descent, the loss recorded at every step.
"""

import functools
import importlib
import sys

N, D = 20, 15
HIDDEN = (20, 64, 256)
TYPES = ("f32", "f64")
ACTIVATIONS = ("relu", "tanh")
SEED = 2018
# Throughput does not depend on the rate. A small one keeps every run away from its fixed point, where a program
# could stop early, and from numbers so small that the processor treats them specially.
RATE = 1e-5
# The comparison of losses wants them to move.
RATE_OF_CHECK = 1e-3
# More draws than this are repeated: only the time counts there.
DISTINCT = 64


def need(*packages):
    """Imports packages, or ends with the command that installs them."""
    missing = []
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            missing.append(f"{package} ({error})")
    if missing:
        sys.exit(
            f"error: cannot import {', '.join(missing)}\n"
            f"hint: {sys.executable} -m pip install -r benches/peers/requirements.txt"
        )


def uniform(replicate, purpose, part, count, seed=SEED):
    """Numbers in (0, 1): the stream that Thalweg uses (ARCHITECTURE.md, "Seeds")."""
    import numpy as np

    stream = np.random.Philox(key=[seed, replicate], counter=[0, part, purpose, 0])
    return ((stream.random_raw(count) >> 12) + 0.5) * 2.0**-52


def draw(replicates, dim, hidden, points=N, seed=SEED):
    """Training sets and initial weights of replicates, f64, replicate first; z = a @ W + b.

    x [R, N, d], y [R, N, 1], and a list W1 [R, d, h], b1 [R, 1, h], W2, b2, ...; PyTorch's default law.
    The same numbers as `thalweg run` with this seed and `init = "pytorch"`.
    """
    import numpy as np
    from scipy.special import ndtri

    count = len(replicates)
    sizes = [dim, *hidden, 1]
    x, y = np.empty((count, points, dim)), np.empty((count, points, 1))
    parameters = []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        parameters += [np.empty((count, fan_in, fan_out)), np.empty((count, 1, fan_out))]
    for k, r in enumerate(replicates):
        y[k, :, 0] = ndtri(uniform(r, 0, 0, points, seed))
        for j in range(dim):
            x[k, :, j] = ndtri(uniform(r, 0, 1 + j, points, seed))
        for layer, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:])):
            bound = fan_in**-0.5
            weight = uniform(r, 1, 2 * layer, fan_in * fan_out, seed).reshape(fan_out, fan_in)
            parameters[2 * layer][k] = bound * (2 * weight.T - 1)
            parameters[2 * layer + 1][k, 0] = bound * (2 * uniform(r, 1, 2 * layer + 1, fan_out, seed) - 1)
    return x, y, parameters


@functools.lru_cache(maxsize=2)
def distinct(hidden, count):
    return draw(range(count), D, (hidden, hidden))


def problem(batch, hidden, precision):
    """`batch` networks in the given precision, fresh arrays: x, y, parameters."""
    import numpy as np

    kind = np.float32 if precision == "f32" else np.float64
    x, y, parameters = distinct(hidden, min(batch, DISTINCT))

    def fit(a):
        repeats = -(-batch // len(a))
        return np.ascontiguousarray(np.concatenate([a] * repeats)[:batch], dtype=kind)

    return fit(x), fit(y), [fit(p) for p in parameters]


def flops(hidden, n=N, d=D):
    """Flops of a step of one network, activations not counted."""
    return 4 * n * (d * hidden + hidden**2 + hidden) + 2 * n * (hidden**2 + hidden)
