"""The benchmarks of graphics cards, in small and without a card: ours by PoCL, the peers' on the processor."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
RATES = Path(os.environ.get("THALWEG_KERNEL", ROOT / "target/debug/examples/kernel")).with_name("rates")


@pytest.mark.skipif(not RATES.exists(), reason="the example `rates` is not built")
def test_our_rates_are_taken():
    done = subprocess.run([RATES, "gpu:opencl", "8:sin:f32:20:0.1"], capture_output=True, text=True, timeout=100)
    if "there is no OpenCL" in done.stdout or "has no device" in done.stdout:
        pytest.skip(done.stdout)
    assert "M steps/s" in done.stdout, done.stdout + done.stderr


def test_rates_of_peers_are_taken(tmp_path):
    if find_spec("jax") is None and find_spec("torch") is None:
        pytest.skip("there is neither JAX nor PyTorch")
    script, out = ROOT / "benches/peers/gpu.py", tmp_path / "rates.json"
    command = [sys.executable, script, "--device", "cpu", "--toy", "--cells", "8:sin:f64", "--out", out]
    subprocess.run(command, check=True, timeout=200)
    rows = json.loads(out.read_text())["rows"]
    assert rows and all(row["rate"] > 0 for row in rows)
