"""The benchmarks of graphics cards, in small and without a card: ours by PoCL, the peers' on the processor."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PEERS = ROOT / "benches/peers/gpu.py"
RATES = Path(os.environ.get("THALWEG_KERNEL", ROOT / "target/debug/examples/kernel")).with_name("rates")


@pytest.mark.skipif(not RATES.exists(), reason="the example `rates` is not built")
def test_our_rates_are_taken():
    done = subprocess.run([RATES, "gpu:opencl", "8:sin:f32:20:0.1"], capture_output=True, text=True, timeout=100)
    if "there is no OpenCL" in done.stdout or "has no device" in done.stdout:
        pytest.skip(done.stdout)
    assert "M steps/s" in done.stdout, done.stdout + done.stderr


CONTENDERS = {
    "jax": ["JAX"],
    "torch": ["PyTorch, by hand, CUDA graph", "PyTorch, vmap compiled"],
    "notebook": ["PyTorch, the notebook's loop"],
}


def test_rates_of_peers_are_taken_of_what_trains_as_numpy_does(tmp_path):
    present = {name: find_spec("torch" if name == "notebook" else name) is not None for name in CONTENDERS}
    peers = [name for name in CONTENDERS if present[name]]
    if not peers:
        pytest.skip("there is neither JAX nor PyTorch")
    command = [sys.executable, PEERS, "--device", "cpu", "--toy", "--cells", "8:sin:f64,8:relu:f32"]
    command += ["--only", ",".join(peers), "--out", tmp_path / "rates.json"]
    subprocess.run(command, check=True, timeout=200)
    told = json.loads((tmp_path / "rates.json").read_text())
    assert told["notes"] == [] and all(row["rate"] > 0 for row in told["rows"])
    assert {row["name"] for row in told["rows"]} == {name for peer in peers for name in CONTENDERS[peer]}


def test_a_peer_that_trains_one_parameter_otherwise_is_noticed():
    numpy = pytest.importorskip("numpy")
    spec = spec_from_file_location("gpu", PEERS)
    gpu = module_from_spec(spec)
    spec.loader.exec_module(gpu)
    for precision in ["f32", "f64"]:
        x, y, start = gpu.problem(16, 8, precision)
        check = gpu.Check("a peer", x, y, start, "sin", precision)
        right = [p.astype(x.dtype) for p in gpu.by_numpy(x, y, start, "sin", 5)]
        check(right, 5)
        # A step too few, one network that is another, and each parameter that moves a twentieth too far.
        wrong = [gpu.by_numpy(x, y, start, "sin", 4), [numpy.roll(p, 1, axis=0) for p in right]]
        for i in range(len(start)):
            wrong.append([p + (i == j) * (p - s) / 20 for j, (p, s) in enumerate(zip(right, start))])
        for parameters in wrong:
            with pytest.raises(SystemExit, match="does not train what NumPy trains"):
                check(parameters, 5)
