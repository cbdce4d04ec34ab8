"""PyTorch loads the kept weights and computes the kept outputs from them.

Skipped where PyTorch is not installed: it is 6 GB, so `./check` does without. test_run_folder.py holds names,
shapes and outputs to the same with NumPy, and `tests/parity` keeps goldens that PyTorch wrote.

.venv/bin/python -m pip install torch==2.15.0
THALWEG=target/debug/thalweg .venv/bin/python -m pytest tests/python/test_torch.py
"""

import os

import pytest

torch = pytest.importorskip("torch")
# With `folder`, a run of three activations: the fixture is used by its name.
from test_run_folder import KEPT, folder  # noqa: E402, F401

from safetensors.torch import load_file  # noqa: E402

pytestmark = pytest.mark.skipif("THALWEG" not in os.environ, reason="THALWEG names no program")

ACTIVATIONS = [torch.nn.Tanh, torch.nn.ReLU, torch.nn.GELU]


@pytest.mark.parametrize("cell", range(len(ACTIVATIONS)))
@pytest.mark.parametrize("replicate", range(KEPT))
def test_kept_weights_give_the_kept_outputs_in_pytorch(folder, cell, replicate):  # noqa: F811
    name = f"cell-{cell:03}-replicate-{replicate:03}"
    weights = load_file(folder / "weights" / f"{name}.safetensors")
    data = load_file(folder / "weights" / f"{name}.data.safetensors")
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), ACTIVATIONS[cell](), torch.nn.Linear(4, 1))
    net = net.double()
    net.load_state_dict(weights, strict=True)
    with torch.no_grad():
        outputs = net(data["x"].double())[:, 0]
    torch.testing.assert_close(outputs, data["outputs"].double(), rtol=1e-5, atol=1e-6)
