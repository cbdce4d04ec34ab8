"""Writes goldens of what goes with an optimiser: mini-batches, weight decay, clipping, AdamW.

    python -m venv venv && venv/bin/pip install safetensors numpy
    venv/bin/python tests/parity/write_rules.py

These are NOT written by PyTorch. They are by a NumPy re-implementation of the formulas that PyTorch documents for
`torch.optim.SGD`, `Adam`, `AdamW`, `clip_grad_norm_`, `clip_grad_value_` and `DataLoader(drop_last=True)`, for networks of
tanh. Before it writes, it trains the cases of SGD, momentum, Nesterov and Adam again that `write_goldens.py` wrote with
PyTorch itself, and stops unless every loss agrees to 1e-10.

The files are as `write_goldens.py` describes them, with `numpy` (its version) in the place of `torch`. As there, a
case that amplifies the last bit of its inputs to more than 1e-11 of a loss is refused.
"""

import json
import pathlib

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

FOLDER = pathlib.Path(__file__).parent / "goldens"
STEPS = 1000
SEED, REPLICATE = 2018, 0

ADAM = {"betas": [0.9, 0.999], "eps": 1e-8}
MOMENTUM = {"momentum": {"beta": 0.9}}
NESTEROV = {"nesterov": {"beta": 0.9}}

# name, points, dim, hidden, bias, descent
CASES = [
    ("momentum_batch", 20, 5, [12, 8], True, {"method": MOMENTUM, "loss": "mean", "rate": 0.005, "batch": 6}),
    ("nesterov_drop_last", 20, 5, [12], True,
     {"method": NESTEROV, "loss": "sum", "rate": 2e-4, "batch": 6, "drop_last": True}),
    ("adam_batch", 20, 5, [8], False, {"method": {"adam": ADAM}, "loss": "half_mean", "rate": 5e-4, "batch": 10}),
    ("gd_decay", 20, 5, [16, 16], True, {"method": "gd", "loss": "sum", "rate": 2e-3, "weight_decay": 0.3}),
    ("momentum_decay", 20, 5, [16, 16], True,
     {"method": MOMENTUM, "loss": "sum", "rate": 2e-4, "weight_decay": 0.2}),
    ("nesterov_decay", 20, 5, [12], True,
     {"method": NESTEROV, "loss": "half_sum", "rate": 2e-4, "weight_decay": 0.5}),
    ("adam_decay", 20, 5, [16, 16], True,
     {"method": {"adam": ADAM}, "loss": "sum", "rate": 1e-3, "weight_decay": 0.1}),
    ("adamw", 20, 5, [16, 16], True,
     {"method": {"adamw": ADAM}, "loss": "sum", "rate": 1e-3, "weight_decay": 0.1}),
    ("gd_clip_norm", 20, 5, [16, 16], True,
     {"method": "gd", "loss": "sum", "rate": 2e-3, "clip": {"norm": 4.0}}),
    ("momentum_clip_value", 20, 5, [12, 8], True,
     {"method": MOMENTUM, "loss": "sum", "rate": 2e-4, "clip": {"value": 1.0}, "weight_decay": 0.1}),
    ("adamw_clip_norm_batch", 20, 5, [12], True,
     {"method": {"adamw": ADAM}, "loss": "mean", "rate": 5e-4, "clip": {"norm": 0.5}, "weight_decay": 0.05, "batch": 10}),
]

SCALES = {"sum": lambda n: 1.0, "mean": lambda n: 1 / n, "half_sum": lambda n: 0.5, "half_mean": lambda n: 0.5 / n}


def permutation(n, epoch):
    """Thalweg's permutation of an epoch: Fisher and Yates on words of the noise stream."""
    words = np.random.Philox(key=[SEED, REPLICATE], counter=[0, epoch, 2, 0])
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = (int(words.random_raw()) * (i + 1)) >> 64
        order[i], order[j] = order[j], order[i]
    return order


def mini_batches(n, size, drop_last):
    """The points of each step."""
    batches, epoch = [], 0
    while len(batches) < STEPS:
        order = permutation(n, epoch)
        of_epoch = [order[start : start + size] for start in range(0, n, size)]
        batches += [batch for batch in of_epoch if len(batch) == size or not drop_last]
        epoch += 1
    return batches[:STEPS]


def outputs(weights, biases, x):
    """Activations of each layer, the inputs first, the outputs last."""
    layers = [x]
    for l, (w, b) in enumerate(zip(weights, biases)):
        z = layers[-1] @ w.T + b
        layers.append(z if l + 1 == len(weights) else np.tanh(z))
    return layers


def gradients(weights, biases, x, y, scale):
    """∂L/∂W and ∂L/∂b of every layer, L = scale Σ r²."""
    layers = outputs(weights, biases, x)
    delta = 2 * scale * (layers[-1][:, 0] - y)[:, None]
    of_weights, of_biases = [], []
    for l in reversed(range(len(weights))):
        of_weights.insert(0, delta.T @ layers[l])
        of_biases.insert(0, delta.sum(axis=0))
        if l > 0:
            delta = (delta @ weights[l]) * (1 - layers[l] ** 2)
    return of_weights, of_biases


def clipped(grads, clip):
    if "norm" in clip:
        total = np.sqrt(sum((g**2).sum() for g in grads))
        return [g * min(1.0, clip["norm"] / (total + 1e-6)) for g in grads]
    if "value" in clip:
        return [np.clip(g, -clip["value"], clip["value"]) for g in grads]
    return grads


class Optimiser:
    """`torch.optim.SGD`, `Adam` or `AdamW`, as their documentation writes them."""

    def __init__(self, descent):
        method = descent["method"]
        self.kind, self.options = next(iter(method.items())) if isinstance(method, dict) else (method, {})
        self.rate, self.decay = descent["rate"], descent.get("weight_decay", 0.0)
        self.state, self.t = {}, 0

    def step(self, parameters, grads):
        self.t += 1
        for i, (theta, g) in enumerate(zip(parameters, grads)):
            if self.kind == "adamw":
                theta -= self.rate * self.decay * theta
            elif self.decay:
                g = g + self.decay * theta
            if self.kind in ("gd", "sgd"):
                theta -= self.rate * g
            elif self.kind in ("momentum", "nesterov"):
                beta = self.options["beta"]
                self.state[i] = g if self.t == 1 else beta * self.state[i] + g
                theta -= self.rate * (g + beta * self.state[i] if self.kind == "nesterov" else self.state[i])
            else:
                (first, second), eps = self.options["betas"], self.options["eps"]
                m, v = self.state.get(i, (0.0, 0.0))
                m, v = first * m + (1 - first) * g, second * v + (1 - second) * g * g
                self.state[i] = m, v
                mean, square = m / (1 - first**self.t), v / (1 - second**self.t)
                theta -= self.rate * mean / (np.sqrt(square) + eps)


def train(weights, biases, trained_biases, x, y, descent, batches):
    """The losses [STEPS + 1]; weights and biases are trained in place."""
    optimiser, scale, losses = Optimiser(descent), SCALES[descent["loss"]], []
    parameters = weights + biases if trained_biases else weights
    for step in range(STEPS + 1):
        r = outputs(weights, biases, x)[-1][:, 0] - y
        losses.append(scale(len(y)) * (r**2).sum())
        if step == STEPS:
            return np.array(losses)
        rows = batches[step] if batches else slice(None)
        of_weights, of_biases = gradients(weights, biases, x[rows], y[rows], scale(len(y[rows])))
        grads = of_weights + of_biases if trained_biases else of_weights
        optimiser.step(parameters, clipped(grads, descent.get("clip", {})))


def batches_of(n, descent):
    return mini_batches(n, descent["batch"], descent.get("drop_last", False)) if "batch" in descent else None


def compare_with_torch(name):
    """A case that PyTorch wrote, trained here."""
    with safe_open(FOLDER / f"{name}.safetensors", "np") as file:
        about, held = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}
    assert "torch" in about and json.loads(about["net"])["activation"] == "tanh", name
    descent, layers = json.loads(about["descent"]), len(json.loads(about["net"])["hidden"]) + 1
    weights = [held[f"initial.{2 * l}.weight"].copy() for l in range(layers)]
    biases = [held[f"initial.{2 * l}.bias"].copy() for l in range(layers)]
    x, y = held["data.x"], held["data.y"]
    losses = train(weights, biases, True, x, y, descent, batches_of(len(y), descent))
    far = np.max(np.abs(losses / held["losses"] - 1))
    assert far < 1e-10, (name, far)
    print(f"{name:22} agrees with PyTorch {about['torch']} to {far:.0e}")


def write(seed, name, points, dim, hidden, bias, descent):
    random = np.random.default_rng(seed)
    sizes = [dim, *hidden, 1]
    x, y = random.standard_normal((points, dim)), random.standard_normal(points)
    uniform = lambda fan_in, shape: random.uniform(-1, 1, shape) / np.sqrt(fan_in)
    weights = [uniform(i, (o, i)) for i, o in zip(sizes, sizes[1:])]
    biases = [uniform(i, o) if bias else np.zeros(o) for i, o in zip(sizes, sizes[1:])]
    batches = batches_of(points, descent)
    tensors = {"data.x": x, "data.y": y}

    def keep(when):
        for l, (w, b) in enumerate(zip(weights, biases)):
            tensors[f"{when}.{2 * l}.weight"] = w.copy()
            if bias:
                tensors[f"{when}.{2 * l}.bias"] = b.copy()

    keep("initial")
    again = [w.copy() for w in weights], [b.copy() for b in biases]
    moved = train(*again, bias, x * (1 + 1e-15), y, descent, batches)
    plain = {key: value for key, value in descent.items() if key in ("method", "loss", "rate", "batch", "drop_last")}
    without = [w.copy() for w in weights], [b.copy() for b in biases]
    unlike = train(*without, bias, x, y, plain, batches)
    losses = train(weights, biases, bias, x, y, descent, batches)
    keep("final")
    sensitivity = np.max(np.abs(moved / losses - 1))
    assert np.all(np.isfinite(losses)) and losses[-1] < 0.95 * losses[0], (name, losses[0], losses[-1])
    assert sensitivity < 1e-11, (name, sensitivity)
    # A decay or a bound that changes nothing would test nothing.
    assert plain == descent or np.max(np.abs(unlike / losses - 1)) > 1e-2, name

    tensors["losses"] = losses
    metadata = {
        "net": json.dumps({"hidden": hidden, "activation": "tanh", "bias": bias}),
        "descent": json.dumps(descent | {"steps": STEPS, "precision": "f64"}),
        "numpy": np.__version__,
    }
    if batches:
        table = np.full((STEPS, descent["batch"]), -1, dtype=np.int64)
        for row, points_of_step in zip(table, batches):
            row[: len(points_of_step)] = points_of_step
        tensors["batches"] = table
        metadata["noise"] = json.dumps({"seed": SEED, "replicate": REPLICATE})
    save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, FOLDER / f"{name}.safetensors", metadata)
    print(f"{name:22} loss {losses[0]:9.4g} -> {losses[-1]:9.3e}  sensitivity {sensitivity:.1e}")


if __name__ == "__main__":
    for name in ["tanh", "momentum", "nesterov", "adam", "sgd", "sgd_short_batch"]:
        compare_with_torch(name)
    for number, case in enumerate(CASES):
        write(number, *case)
