"""Writes the goldens that hold Thalweg to PyTorch: 1000 steps of each activation and optimiser.

    python -m venv venv && venv/bin/pip install torch safetensors numpy
    venv/bin/python tests/parity/write_goldens.py

One file a case, goldens/NAME.safetensors, everything in float64:

    data.x [N, d], data.y [N], or [N, k] of several outputs
    initial.0.weight [out, in], initial.0.bias [out], initial.2.weight …   state_dict before step 0
    final.0.weight …                                                        and after step 999
    losses [1001]      full-batch loss before each step, and after the last at index 1000
    batches [1000, B]  int64, mini-batch descent only: the points of each step, -1 where a batch is short

and, as metadata, `net` and `descent` (JSON of these tables of a study file), `torch` (its version) and,
for mini-batches, `noise` (JSON of the seed and replicate of Thalweg's stream that ordered them).

Each case is run a second time with inputs moved by their last bit. Its losses must agree to 1e-11: what
amplifies rounding more than that could not be compared to 1e-10, and is refused here.
"""

import json
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

FOLDER = pathlib.Path(__file__).parent / "goldens"
STEPS = 1000
SEED, REPLICATE = 2018, 0


class Function(nn.Module):
    """An activation that torch.nn has no module for."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, z):
        return self.function(z)


ACTIVATIONS = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "abs": lambda: Function(torch.abs),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "erf": lambda: Function(torch.erf),
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "sin": lambda: Function(torch.sin),
    "cos": lambda: Function(torch.cos),
}

LOSSES = {
    "sum": lambda r: (r**2).sum(),
    "mean": lambda r: (r**2).mean(),
    "half_sum": lambda r: (r**2).sum() / 2,
    "half_mean": lambda r: (r**2).mean() / 2,
}
# Of the outputs and targets 0 and 1.
CLASS_LOSSES = {
    "logistic": nn.BCEWithLogitsLoss(reduction="sum"),
    "mean_logistic": nn.BCEWithLogitsLoss(),
}

OPTIMISERS = {
    "gd": lambda p, **more: torch.optim.SGD(p, **more),
    "sgd": lambda p, **more: torch.optim.SGD(p, **more),
    "momentum": lambda p, beta, **more: torch.optim.SGD(p, momentum=beta, **more),
    "nesterov": lambda p, beta, **more: torch.optim.SGD(p, momentum=beta, nesterov=True, **more),
    "adam": lambda p, betas, **more: torch.optim.Adam(p, betas=tuple(betas), **more),
    "adamw": lambda p, betas, **more: torch.optim.AdamW(p, betas=tuple(betas), **more),
}

ADAM = {"adam": {"betas": [0.9, 0.999], "eps": 1e-8}}
ADAMW = {"adamw": {"betas": [0.9, 0.999], "eps": 1e-8}}
MOMENTUM, NESTEROV = {"momentum": {"beta": 0.9}}, {"nesterov": {"beta": 0.9}}

# name, points, dim, hidden, activation, bias, method, loss, rate, and what else is not usual
CASES = [
    ("linear", 20, 5, [], "identity", True, "gd", "sum", 5e-4),
    ("identity", 20, 10, [8, 8], "identity", True, "gd", "mean", 0.01),
    ("relu", 20, 15, [20], "relu", True, "gd", "sum", 3e-4),
    ("leaky_relu", 20, 5, [12, 8], "leaky_relu", True, "gd", "mean", 0.01),
    ("abs", 20, 5, [12], "abs", True, "gd", "sum", 1e-4),
    ("tanh", 20, 5, [16, 16], "tanh", True, "gd", "sum", 2e-3),
    ("sigmoid", 20, 5, [10, 6], "sigmoid", True, "gd", "half_sum", 0.01),
    ("erf", 20, 5, [10, 10], "erf", True, "gd", "mean", 0.02),
    ("gelu", 20, 5, [8, 8, 8], "gelu", True, "gd", "mean", 0.05),
    ("silu", 20, 5, [12, 12], "silu", False, "gd", "half_mean", 0.1),
    ("softplus", 20, 5, [8, 8], "softplus", True, "gd", "sum", 5e-4),
    ("sin", 20, 2, [8, 8], "sin", True, "gd", "mean", 0.1),
    ("cos", 20, 2, [8, 8], "cos", True, "gd", "half_sum", 3e-3),
    ("momentum", 20, 5, [16, 16], "tanh", True, {"momentum": {"beta": 0.9}}, "sum", 2e-4),
    ("nesterov", 20, 5, [16, 16], "tanh", True, {"nesterov": {"beta": 0.9}}, "sum", 2e-4),
    ("adam", 20, 5, [16, 16], "tanh", True, ADAM, "sum", 1e-3),
    ("sgd", 20, 5, [16, 16], "tanh", True, "sgd", "sum", 2e-3, {"batch": 5}),
    ("sgd_short_batch", 20, 3, [8], "tanh", True, "sgd", "mean", 0.02, {"batch": 6}),
    ("momentum_batch", 20, 5, [12, 8], "tanh", True, MOMENTUM, "mean", 5e-3, {"batch": 6}),
    ("nesterov_drop_last", 20, 5, [12], "tanh", True, NESTEROV, "sum", 2e-4, {"batch": 6, "drop_last": True}),
    ("adam_batch", 20, 5, [8], "tanh", False, ADAM, "half_mean", 5e-4, {"batch": 10}),
    ("gd_decay", 20, 5, [16, 16], "tanh", True, "gd", "sum", 2e-3, {"weight_decay": 0.3}),
    ("momentum_decay", 20, 5, [16, 16], "tanh", True, MOMENTUM, "sum", 2e-4, {"weight_decay": 0.2}),
    ("nesterov_decay", 20, 5, [12], "tanh", True, NESTEROV, "half_sum", 2e-4, {"weight_decay": 0.5}),
    ("adam_decay", 20, 5, [16, 16], "tanh", True, ADAM, "sum", 1e-3, {"weight_decay": 0.1}),
    ("adamw", 20, 5, [16, 16], "tanh", True, ADAMW, "sum", 1e-3, {"weight_decay": 0.1}),
    ("gd_clip_norm", 20, 5, [16, 16], "tanh", True, "gd", "sum", 2e-3, {"clip": {"norm": 4.0}}),
    ("momentum_clip_value", 20, 5, [12, 8], "tanh", True, MOMENTUM, "sum", 2e-4,
     {"clip": {"value": 1.0}, "weight_decay": 0.1}),
    ("adamw_clip_norm_batch", 20, 5, [12], "tanh", True, ADAMW, "mean", 5e-4,
     {"clip": {"norm": 0.5}, "weight_decay": 0.05, "batch": 10}),
    ("outputs", 20, 5, [8, 6], "tanh", True, "gd", "mean", 0.05, {"outputs": 3}),
    ("outputs_linear", 20, 5, [], "identity", True, "gd", "sum", 5e-4, {"outputs": 5}),
    ("outputs_relu", 20, 15, [20], "relu", True, "gd", "sum", 1e-4, {"outputs": 9}),
    ("outputs_adam", 20, 5, [16, 16], "tanh", True, ADAM, "mean", 1e-3, {"outputs": 2}),
    ("outputs_sgd", 20, 3, [8], "tanh", True, "sgd", "mean", 0.02, {"batch": 6, "outputs": 3}),
    ("output_sigmoid", 20, 3, [8], "tanh", True, "gd", "sum", 0.02, {"output": "sigmoid"}),
    ("output_tanh", 20, 3, [8], "sigmoid", True, "gd", "half_sum", 0.02, {"outputs": 2, "output": "tanh"}),
    ("logistic", 20, 3, [8], "tanh", True, "gd", "logistic", 0.02),
    ("logistic_outputs", 20, 3, [8, 4], "relu", True, "gd", "mean_logistic", 0.1, {"outputs": 3}),
]


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
        last = n - size + 1 if drop_last else n
        batches += [order[start : start + size] for start in range(0, last, size)]
        epoch += 1
    return batches[:STEPS]


def model(dim, hidden, activation, bias, outputs, output):
    sizes, layers = [dim, *hidden, outputs], []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(fan_in, fan_out, bias=bias), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1], ACTIVATIONS[output]())


def train(net, x, y, method, loss, rate, batches, decay, clip):
    """The losses [STEPS + 1]; `net` is trained in place."""
    kind, options = next(iter(method.items())) if isinstance(method, dict) else (method, {})
    optimiser = OPTIMISERS[kind](net.parameters(), lr=rate, weight_decay=decay, **options)
    of_classes, losses = CLASS_LOSSES.get(loss), []

    def value(rows):
        f = net(x[rows])
        return of_classes(f, y[rows]) if of_classes else LOSSES[loss](f - y[rows])

    for step in range(STEPS):
        with torch.no_grad():
            losses.append(value(slice(None)).item())
        rows = batches[step] if batches else slice(None)
        optimiser.zero_grad()
        value(rows).backward()
        if "norm" in clip:
            nn.utils.clip_grad_norm_(net.parameters(), clip["norm"])
        elif "value" in clip:
            nn.utils.clip_grad_value_(net.parameters(), clip["value"])
        optimiser.step()
    with torch.no_grad():
        losses.append(value(slice(None)).item())
    return np.array(losses)


def write(seed, name, points, dim, hidden, activation, bias, method, loss, rate, more=None):
    more = more or {}
    outputs, output, batch = more.get("outputs", 1), more.get("output", "identity"), more.get("batch")
    torch.manual_seed(seed)
    x, y = torch.randn(points, dim), torch.randn(points, outputs)
    if loss in CLASS_LOSSES:
        y = (y > 0).double()
    net = model(dim, hidden, activation, bias, outputs, output)
    initial = {key: value.clone() for key, value in net.state_dict().items()}
    batches = mini_batches(points, batch, more.get("drop_last", False)) if batch else None
    decay, clip = more.get("weight_decay", 0.0), more.get("clip", {})

    again = model(dim, hidden, activation, bias, outputs, output)
    again.load_state_dict(initial)
    losses = train(net, x, y, method, loss, rate, batches, decay, clip)
    moved = train(again, x * (1 + 1e-15), y, method, loss, rate, batches, decay, clip)
    sensitivity = np.max(np.abs(moved / losses - 1))
    rises = int(np.sum(np.diff(losses) > 0))
    assert np.all(np.isfinite(losses)) and losses[-1] < 0.95 * losses[0], (name, losses[0], losses[-1])
    assert method != "gd" or rises == 0, (name, rises)
    assert sensitivity < 1e-11, (name, sensitivity)

    tensors = {"data.x": x, "data.y": y[:, 0] if outputs == 1 else y, "losses": torch.from_numpy(losses)}
    tensors |= {f"initial.{key}": value for key, value in initial.items()}
    tensors |= {f"final.{key}": value for key, value in net.state_dict().items()}
    tensors = {key: np.ascontiguousarray(value.numpy()) for key, value in tensors.items()}
    metadata = {
        "net": json.dumps(
            {"hidden": hidden, "activation": activation, "bias": bias}
            | ({} if output == "identity" else {"output": output})
        ),
        "descent": json.dumps(
            {"method": method, "loss": loss, "rate": rate, "steps": STEPS, "precision": "f64"}
            | {key: more[key] for key in ("batch", "drop_last", "weight_decay", "clip") if key in more}
        ),
        "torch": torch.__version__,
    }
    if batches:
        table = np.full((STEPS, batch), -1, dtype=np.int64)
        for row, points_of_step in zip(table, batches):
            row[: len(points_of_step)] = points_of_step
        tensors["batches"] = table
        metadata["noise"] = json.dumps({"seed": SEED, "replicate": REPLICATE})
    path = FOLDER / f"{name}.safetensors"
    save_file(tensors, path, metadata)
    print(
        f"{name:16} {loss:9} rate {rate:<7g} loss {losses[0]:9.4g} -> {losses[-1]:9.3e}"
        f"  sensitivity {sensitivity:.1e}  rises {rises:3}  {path.stat().st_size} bytes"
    )


if __name__ == "__main__":
    # One thread and no fast paths that depend on it: the same machine gives the same file.
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    FOLDER.mkdir(exist_ok=True)
    for number, case in enumerate(CASES):
        write(number, *case)
