"""From PyTorch, and back: needs PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._study import Study
from ._thalweg import StudyError

# The modules of `torch.nn` that are activations here, by the name of their class.
_ACTIVATIONS = {
    "ReLU": "relu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "SiLU": "silu",
    "Softplus": "softplus",
    "LeakyReLU": "leaky_relu",
    "GELU": "gelu",
    "Identity": "identity",
}


def _wrong(message: str, hint: str) -> StudyError:
    return StudyError(f"{message}\n\nhint: {hint}")


def _name(module: Any) -> str:
    return type(module).__name__


def _is_default(module: Any, like: Mapping[str, Any]) -> bool:
    return all(getattr(module, key, value) == value for key, value in like.items())


def _activation(module: Any) -> str:
    name = _name(module)
    if name not in _ACTIVATIONS:
        known = ", ".join(sorted(_ACTIVATIONS))
        raise _wrong(f"`{name}` is no activation here", f"of `torch.nn`: {known}")
    likes: dict[str, dict[str, Any]] = {
        "LeakyReLU": {"negative_slope": 0.01},
        "GELU": {"approximate": "none"},
        "Softplus": {"beta": 1, "threshold": 20},
    }
    if not _is_default(module, likes.get(name, {})):
        raise _wrong(f"`{module}` is not that of PyTorch's defaults", f"`{name}()`")
    return _ACTIVATIONS[name]


def _net(module: Any) -> dict[str, Any]:
    """The network, as a study has it, with its inputs and outputs."""
    if _name(module) != "Sequential":
        raise _wrong(f"`{_name(module)}` is no network that is understood", "`torch.nn.Sequential` of `Linear` and activations")
    layers: list[Any] = []
    between: list[str] = []
    for part in module:
        if _name(part) == "Linear":
            if layers and len(between) < len(layers):
                between.append("identity")
            layers.append(part)
        elif not layers:
            raise _wrong(f"`{part}` stands before the first `Linear`", "scale the inputs: `standardise=\"inputs\"`")
        elif len(between) == len(layers):
            raise _wrong(f"`{part}` follows another activation", "one activation after a `Linear`")
        else:
            between.append(_activation(part))
    if not layers:
        raise _wrong("there is no `Linear` in it", "`nn.Sequential(nn.Linear(15, 20), nn.ReLU(), nn.Linear(20, 1))`")
    hidden, output = between[: len(layers) - 1], between[len(layers) - 1 :]
    if len(set(hidden)) > 1:
        raise _wrong(f"hidden layers have the activations {', '.join(hidden)}", "one activation for all of them")
    biases = {part.bias is not None for part in layers}
    if len(biases) > 1:
        raise _wrong("some layers have biases and some have none", "biases in all of them, or `bias=False` in all")
    widths = [part.out_features for part in layers]
    table: dict[str, Any] = {"net.hidden": widths[:-1], "net.init": "pytorch", "net.bias": biases.pop()}
    if hidden:
        table["net.activation"] = hidden[0]
    if output and output[0] not in ("identity", "sigmoid", "tanh"):
        raise _wrong(f"`{output[0]}` follows the last `Linear`", "nothing, `Sigmoid` or `Tanh`")
    if output:
        table["net.output"] = output[0]
    table["data.dim"] = layers[0].in_features
    if widths[-1] != 1:
        table["data.outputs"] = widths[-1]
    return table


def _loss(loss: Any) -> str:
    losses: dict[tuple[str, Any], str] = {
        ("MSELoss", "sum"): "sum",
        ("MSELoss", "mean"): "mean",
        ("BCEWithLogitsLoss", "sum"): "logistic",
        ("BCEWithLogitsLoss", "mean"): "mean_logistic",
    }
    found = losses.get((_name(loss), getattr(loss, "reduction", None)))
    weighted = any(getattr(loss, name, None) is not None for name in ("weight", "pos_weight"))
    if found is None or weighted:
        raise _wrong(f"`{loss}` is no loss here", "`MSELoss` or `BCEWithLogitsLoss`, `reduction` \"mean\" or \"sum\", without weights")
    return found


def _descent(optimizer: Any) -> dict[str, Any]:
    """The rule, as a study has it."""
    if len(optimizer.param_groups) != 1:
        raise _wrong("the optimizer has several groups of parameters", "`layer_rates=[…]` are factors on the rate of each layer")
    group = optimizer.param_groups[0]
    table: dict[str, Any] = {"descent.rate": float(group["lr"])}
    if group.get("maximize"):
        raise _wrong("the optimizer maximizes", "`maximize=False`")
    if group.get("weight_decay"):
        table["descent.weight_decay"] = group["weight_decay"]
    name = _name(optimizer)
    if name == "SGD":
        momentum = group["momentum"]
        if group.get("dampening"):
            raise _wrong("momentum is dampened", "`dampening=0`")
        if momentum:
            table["descent.method"] = {"nesterov" if group["nesterov"] else "momentum": {"beta": momentum}}
        else:
            table["descent.method"] = "gd"
    elif name in ("Adam", "AdamW"):
        if group.get("amsgrad"):
            raise _wrong("`amsgrad` is not here", "`amsgrad=False`")
        decoupled = name == "AdamW" or group.get("decoupled_weight_decay", False)
        rule = "adamw" if decoupled else "adam"
        table["descent.method"] = {rule: {"betas": list(group["betas"]), "eps": group["eps"]}}
    else:
        raise _wrong(f"`{name}` is no rule here", "`SGD`, `Adam` or `AdamW` of `torch.optim`")
    return table


def study(module: Any, *, loss: Any = None, optimizer: Any = None, from_weights: bool = False, **settings: Any) -> Study:
    """The study of a ``torch.nn.Sequential`` of ``Linear`` and activations, of its loss (``MSELoss``,
    ``BCEWithLogitsLoss``) and its optimizer (``SGD``, ``Adam``, ``AdamW``); other settings are those of a study.

    Every replicate draws its own weights as PyTorch does; ``from_weights`` begins all of them with those of the module.

    Raises :class:`StudyError` for a part that has no like here, with those that have.
    """
    table = _net(module)
    if loss is not None:
        table["descent.loss"] = _loss(loss)
    if optimizer is not None:
        table.update(_descent(optimizer))
    if from_weights:
        linear = [part for part in module if _name(part) == "Linear"]
        arrays = {}
        for layer, part in enumerate(linear):
            arrays[f"{2 * layer}.weight"] = part.weight.detach().cpu().numpy()
            if part.bias is not None:
                arrays[f"{2 * layer}.bias"] = part.bias.detach().cpu().numpy()
        table["net.init"] = arrays
    dtype = next(module.parameters()).dtype
    table["descent.precision"] = "f64" if str(dtype) == "torch.float64" else "f32"
    if "x" in settings:
        table.pop("data.dim")
        table.pop("data.outputs", None)
    return Study(**{**table, **{k: v for k, v in settings.items()}})


def state_dict(weights: Mapping[str, np.ndarray], setting: Mapping[str, Any]) -> dict[str, Any]:
    """Weights of :attr:`Replicate.weights` as tensors, in the precision of the setting."""
    import torch

    dtype = torch.float64 if setting["descent"]["precision"] == "f64" else torch.float32
    return {name: torch.tensor(values, dtype=dtype) for name, values in weights.items()}


def module(weights: Mapping[str, np.ndarray], setting: Mapping[str, Any]) -> Any:
    """The network of a setting (:attr:`Cell.setting`) as a ``torch.nn.Sequential`` with these weights.

    Raises :class:`StudyError` for an activation that is no module of PyTorch.
    """
    import torch
    from torch import nn

    names = {here: name for name, here in _ACTIVATIONS.items()}
    net, data = setting["net"], setting["data"]
    if net["activation"] not in names:
        raise _wrong(f"`{net['activation']}` is no module of PyTorch", "`weights` are arrays")
    sizes = [data["dim"], *net["hidden"], data.get("outputs", 1)]
    layers: list[Any] = []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(fan_in, fan_out, bias=net.get("bias", True)), getattr(nn, names[net["activation"]])()]
    layers.pop()
    if net.get("output", "identity") != "identity":
        layers.append(getattr(nn, names[net["output"]])())
    made = nn.Sequential(*layers)
    tensors = state_dict(weights, setting)
    made.to(next(iter(tensors.values())).dtype)
    made.load_state_dict(tensors)
    return made
