"""Infinitely wide networks, and networks as they are: kernels, predictions, curvature. NumPy in and out.

Networks and losses are said by a :class:`thalweg.Study`; inputs are [N, d]. Kernels are in double precision, symmetric, and
positive semi-definite to round-off (docs/theory.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from . import _thalweg
from ._study import Study, _numpy
from ._thalweg import StudyError


def _matrix(values: Any, what: str) -> np.ndarray:
    """Numbers [N] or [N, k] as [N, k] of doubles."""
    array = np.ascontiguousarray(_numpy(values), dtype=np.float64)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise StudyError(f"{what} has the shape {array.shape}\n\nhint: [points] or [points, columns]")
    return np.ascontiguousarray(array)


def _inputs(x: Any, what: str = "x") -> np.ndarray:
    return _matrix(x, what)


def nngp(study: Study, x1: Any, x2: Any = None) -> np.ndarray:
    """Covariance of the outputs of the infinitely wide initial network at inputs ``x1`` [N1, d] and ``x2`` [N2, d]:
    [N1, N2], or [N1, N1] without ``x2``. A :class:`NoTheoryError` for a network of which theory says nothing.
    """
    return _kernels(study, x1, x2)[0]


def ntk(study: Study, x1: Any, x2: Any = None) -> np.ndarray:
    """The neural tangent kernel Θ of the infinitely wide initial network, [N1, N2], or [N1, N1] without ``x2``; layer
    rates are in it. A :class:`NoTheoryError` for a network of which theory says nothing.
    """
    return _kernels(study, x1, x2)[1]


def _kernels(study: Study, x1: Any, x2: Any) -> tuple[np.ndarray, np.ndarray]:
    first = _inputs(x1, "x1")
    second = None if x2 is None else _inputs(x2, "x2")
    return _thalweg.kernels(study._native(), first, second)


def predict(
    study: Study,
    x_train: Any,
    y_train: Any,
    x_test: Any,
    *,
    steps: float | None = None,
    time: float | None = None,
    rate: float | None = None,
    ridge: float = 0.0,
    get: Literal["ntk", "nngp"] = "ntk",
) -> tuple[np.ndarray, np.ndarray]:
    """Mean [M] (or [M, k]) and covariance [M, M] over initial weights of the infinitely wide network at new inputs
    ``x_test`` [M, d], after training on squares on ``x_train`` [N, d] and ``y_train`` [N] or [N, k].

    ``get="ntk"``: all layers are trained, for ``steps`` of the learning rate ``rate``, for the ``time`` of gradient flow,
    or until nothing moves, with the penalty ``ridge``. ``get="nngp"``: only the last layer is, the posterior of the
    Gaussian process with noise of variance ``ridge``. The loss is that of the study.

    Raises :class:`StudyError` for shapes or options that do not go together, :class:`NoTheoryError` where theory says
    nothing.
    """
    x, y, new = _inputs(x_train, "x_train"), _matrix(y_train, "y_train"), _inputs(x_test, "x_test")
    if steps is not None and time is not None:
        raise StudyError("training is over after `steps` or after a `time`\n\nhint: one of them")
    t = steps if steps is not None else time
    if t is not None and (get == "nngp" or ridge):
        raise StudyError("descent for a while has no ridge, and the Gaussian process no steps")
    if steps is not None and rate is None:
        raise StudyError("`steps` need a `rate`\n\nhint: `rate=0.1`; a time of gradient flow is `time`")
    if get == "nngp":
        how = "nngp"
    elif steps is not None:
        how = "steps"
    elif time is not None:
        how = "flow"
    else:
        how = "ridge" if ridge else "forever"
    mean, covariance = _thalweg.predict(study._native(), x, y, new, how, t or 0.0, rate or 0.0, ridge)
    return (mean[:, 0] if np.ndim(_numpy(y_train)) == 1 else mean), covariance


def max_learning_rate(study: Study, kernel: np.ndarray) -> float:
    """The largest learning rate at which the study's rule is stable on a network linearised with this kernel [n, n]
    of n targets, for the study's loss.
    """
    values = np.linalg.eigvalsh(np.asarray(kernel, dtype=np.float64))
    return _thalweg.largest_stable_rate(study._native(), float(values[-1]), len(values))


class Phase:
    """Order and chaos of an activation at infinite depth, and where a network starts on the map: a picture in a notebook.

    ``layers`` are its hidden layers, those that start alike in one: σw², σb², the variance q* and correlation c* that
    depth leads to, χ₁ (below 1 gradients vanish, above they explode), the depths ξ of both ways there, the phase, and
    the σw² that are ``critical`` with this σb². ``chi`` [B, W] is χ₁ over ``bias_variances`` [B] × ``weight_variances`` [W];
    ``critical_line`` are its pieces, along which χ₁ = 1. ``svg`` is the picture, ``data`` all of it as plain data.
    """

    def __init__(self, data: str, svg: str) -> None:
        self.data: dict[str, Any] = json.loads(data)
        self.svg = svg
        self.layers: list[dict[str, Any]] = [
            {"first": layer["first"], "last": layer["last"], **_limits(layer["mean_field"])}
            | {"critical": [point["weight_variance"] for point in layer["critical"]]}
            for layer in self.data["layers"]
        ]
        self.weight_variances = np.array(self.data["weight_variances"])
        self.bias_variances = np.array(self.data["bias_variances"])
        chi = [_limits(point)["chi"] for point in self.data["map"]]
        self.chi = np.array(chi).reshape(len(self.bias_variances), len(self.weight_variances))
        self.critical_line = [np.array(piece) for piece in self.data["critical_line"]]

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        each = (
            f"layers {layer['first']} to {layer['last']}: {layer['phase']}, χ₁ {layer['chi']:.3g}" for layer in self.layers
        )
        return f"<Phase of {self.data['activation']}; {'; '.join(each)}>"


def _limits(point: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON cannot write is without bound; of a correlation, undefined."""
    return {name: (np.nan if name == "c" else np.inf) if value is None else value for name, value in point.items()}


def phase(study: Study, *, weights: float | None = None, biases: float | None = None, points: int = 64) -> Phase:
    """The order/chaos map of the study's activation and the place of its layers on it (Poole et al. 2016; Schoenholz
    et al. 2017), to the variances σw² = ``weights`` and σb² = ``biases``, so many points each way.
    """
    return Phase(*_thalweg.phase(study._native(), weights, biases, points))


def _tensors(weights: Mapping[str, Any]) -> dict[str, np.ndarray]:
    arrays = {name: np.asarray(_numpy(w), dtype=np.float64) for name, w in weights.items()}
    return {name: np.ascontiguousarray(w) for name, w in arrays.items()}


def empirical_ntk(study: Study, weights: Mapping[str, Any], x: Any) -> np.ndarray:
    """J Jᵀ [N k, N k] of the study's network with these weights at inputs [N, d], as the study's descent moves them.

    Weights have the names and shapes of a ``state_dict``; a :class:`StudyError` if they are not those of the network.
    """
    return _thalweg.empirical(study._native(), _tensors(weights), _inputs(x))[0]


def outputs(study: Study, weights: Mapping[str, Any], x: Any) -> np.ndarray:
    """Outputs [N, k] of the study's network with these weights at inputs [N, d]."""
    return _thalweg.empirical(study._native(), _tensors(weights), _inputs(x))[1]


def hessian_spectrum(study: Study, weights: Mapping[str, Any], x: Any, y: Any) -> np.ndarray:
    """Eigenvalues [P] of the Hessian of the study's loss at these weights on inputs [N, d] and targets [N] or [N, k],
    increasing; P is the number of parameters.
    """
    return _thalweg.curvature(study._native(), _tensors(weights), _inputs(x), _matrix(y, "y"))
