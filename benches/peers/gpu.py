"""Other programs on one graphics card: replicate-steps a second of ensembles, and the card's measured peak.

    python benches/peers/gpu.py [--cells 20:tanh:f32,64:relu:f32] [--budget 150] [--out rates.json]

Nets [15, H, H, 1] on 20 points, squared loss, full-batch gradient descent, all networks at once: JAX (vmap of a step in
a jitted loop, the best of some batch sizes), PyTorch (vmap(grad) compiled, and batched products with the backward pass
by hand in a CUDA graph), and the loop that people write in a notebook. Each framework has a process of its own; what
the budget of seconds leaves out is named. `--device cpu --toy` runs everything in small, for tests.
"""

import argparse
import json
import os
import subprocess
import sys
import time

CELLS = "20:tanh:f32,64:relu:f32,20:relu:f32,256:relu:f32,8:sin:f32,64:tanh:f32,20:tanh:f64,64:tanh:f64,256:tanh:f32"
N, D, RATE = 20, 15, 1e-4


def cell_of(text):
    hidden, activation, precision = text.split(":")
    return int(hidden), activation, precision


def problem(batch, hidden, precision, seed=0):
    """Inputs, targets and parameters of so many networks, each with its own."""
    import numpy as np

    random = np.random.default_rng(seed)
    dtype = {"f32": np.float32, "f64": np.float64}[precision]
    normal = lambda *shape: random.standard_normal(shape, dtype=dtype)
    parameters = []
    for fan_in, fan_out in [(D, hidden), (hidden, hidden), (hidden, 1)]:
        parameters += [normal(batch, fan_in, fan_out) / dtype(fan_in) ** dtype(0.5), normal(batch, 1, fan_out)]
    return normal(batch, N, D), normal(batch, N, 1), parameters


def by_numpy(x, y, parameters, activation, steps):
    """The same training in double precision, written out: what every other one must agree with."""
    import numpy as np

    f = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0), "sin": np.sin}[activation]
    slope = {"tanh": lambda z: 1 - np.tanh(z) ** 2, "relu": lambda z: (z > 0) * 1.0, "sin": np.cos}[activation]
    x, y, *parameters = [p.astype(np.float64) for p in (x, y, *parameters)]
    t = lambda a: a.transpose(0, 2, 1)
    for _ in range(steps):
        layers = list(zip(parameters[::2], parameters[1::2]))
        inputs, sums = [x], []
        for w, b in layers:
            sums.append(inputs[-1] @ w + b)
            inputs.append(f(sums[-1]))
        delta, gradients = 2 * (sums[-1] - y), []
        for i in reversed(range(len(layers))):
            gradients = [t(inputs[i]) @ delta, delta.sum(1, keepdims=True)] + gradients
            if i > 0:
                delta = delta @ t(layers[i][0]) * slope(sums[i - 1])
        parameters = [p - RATE * g for p, g in zip(parameters, gradients)]
    return parameters


class Check:
    """Some networks of a batch at their start: after the first call of what is timed, how far each of their parameters
    has moved must be what it is by NumPy."""

    def __init__(self, name, x, y, parameters, activation, precision):
        import numpy as np

        self.name, self.activation, self.precision = name, activation, precision
        self.some = np.unique(np.linspace(0, len(x) - 1, 8).astype(int))
        self.x, self.y, *self.start = [p[self.some].copy() for p in (x, y, *parameters)]

    def __call__(self, parameters, steps):
        import numpy as np

        right = by_numpy(self.x, self.y, self.start, self.activation, steps)
        bound = {"f32": 2e-2, "f64": 1e-8}[self.precision]
        for i, (ours, right, start) in enumerate(zip(parameters, right, self.start, strict=True)):
            moved, wanted = np.asarray(ours[self.some], np.float64) - start, right - start
            error = np.abs(moved - wanted).max() / np.abs(wanted).max()
            if not error < bound:
                which = f"{'wb'[i % 2]}{i // 2 + 1}"
                sys.exit(f"{self.name} does not train what NumPy trains: {which} moves otherwise by {error:.1e}")


def timed(run, steps_of_one_call, batch, seconds):
    """Replicate-steps a second of what was called before, so that it is compiled."""
    begun = time.perf_counter()
    run()
    once = time.perf_counter() - begun
    calls = max(1, int(seconds / max(once, 1e-6)))
    begun = time.perf_counter()
    for _ in range(calls):
        run()
    return calls * steps_of_one_call * batch / (time.perf_counter() - begun)


def jax_cells(cells, toy, emit):
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ["JAX_ENABLE_X64"] = "1"
    import jax
    import jax.numpy as jnp
    import numpy as np

    jax.config.update("jax_default_matmul_precision", "highest")
    functions = {"tanh": jnp.tanh, "relu": lambda z: jnp.where(z > 0, z, 0), "sin": jnp.sin}

    def training(activation, steps, rate):
        f = functions[activation]

        def loss(parameters, x, y):
            w1, b1, w2, b2, w3, b3 = parameters
            r = f(f(x @ w1 + b1) @ w2 + b2) @ w3 + b3 - y
            return (r * r).sum()

        def step(parameters, x, y):
            return [p - rate * g for p, g in zip(parameters, jax.grad(loss)(parameters, x, y))]

        all_of_them = jax.vmap(step)
        loop = lambda parameters, x, y: jax.lax.fori_loop(0, steps, lambda _, p: all_of_them(p, x, y), parameters)
        return jax.jit(loop, donate_argnums=0)

    for hidden, activation, precision in cells:
        rate = {"f32": np.float32, "f64": np.float64}[precision](RATE)
        batches = {8: (2**15, 2**17), 20: (2**13, 2**15, 2**17), 64: (2**12, 2**14), 256: (2**9, 2**11)}
        for batch in [16] if toy else batches[hidden]:
            steps = 5 if toy else 100
            x, y, parameters = problem(batch, hidden, precision)
            check = Check("JAX", x, y, parameters, activation, precision)
            x, y, state = jnp.asarray(x), jnp.asarray(y), [[jnp.asarray(p) for p in parameters]]
            train = training(activation, steps, rate)

            def run():
                state[0] = train(state[0], x, y)
                jax.block_until_ready(state[0])

            run()
            check(state[0], steps)
            emit("JAX", hidden, activation, precision, batch, timed(run, steps, batch, 0.01 if toy else 0.5))


def torch_cells(cells, toy, emit, device):
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    # Each gives what is timed, what gives the parameters, and how many steps were made before the first call.

    def by_hand(x, y, parameters, activation, steps):
        """Batched products, in place; on a card so many steps are one graph."""
        w1, b1, w2, b2, w3, b3 = parameters
        f = {"tanh": torch.tanh, "relu": torch.relu, "sin": torch.sin}[activation]
        slope = {
            "tanh": lambda z, a: 1 - a * a,
            "relu": lambda z, a: (a > 0).to(a.dtype),
            "sin": lambda z, a: torch.cos(z),
        }[activation]

        def step():
            z1 = torch.baddbmm(b1, x, w1)
            a1 = f(z1)
            z2 = torch.baddbmm(b2, a1, w2)
            a2 = f(z2)
            r = 2 * (torch.baddbmm(b3, a2, w3) - y)
            d2 = torch.bmm(r, w3.mT) * slope(z2, a2)
            d1 = torch.bmm(d2, w2.mT) * slope(z1, a1)
            for w, b, a, d in [(w3, b3, a2, r), (w2, b2, a1, d2), (w1, b1, x, d1)]:
                w.baddbmm_(a.mT, d, alpha=-RATE)
                b.sub_(d.sum(1, keepdim=True), alpha=RATE)

        def all_steps():
            for _ in range(steps):
                step()

        if device != "cuda":
            return all_steps, lambda: parameters, 0
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            step()
        side.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            all_steps()
        # The graph reads these where they lie, and does not keep them from being freed.
        return lambda kept=(x, y): graph.replay(), lambda: parameters, 1

    def compiled(x, y, parameters, activation, steps):
        f = {"tanh": torch.tanh, "relu": torch.relu, "sin": torch.sin}[activation]

        def loss(parameters, x, y):
            w1, b1, w2, b2, w3, b3 = parameters
            r = f(f(x @ w1 + b1) @ w2 + b2) @ w3 + b3 - y
            return (r * r).sum()

        gradient = torch.func.vmap(torch.func.grad(loss))

        @torch.compile(fullgraph=True, dynamic=False)
        def step(parameters, x, y):
            return [p - RATE * g for p, g in zip(parameters, gradient(parameters, x, y))]

        now = [parameters]

        def run():
            for _ in range(steps):
                now[0] = step(now[0], x, y)

        return run, lambda: now[0], 0

    for hidden, activation, precision in cells:
        batch = 16 if toy else {8: 2**17, 20: 2**15, 64: 2**13, 256: 2**10}[hidden]
        for name, make in [("PyTorch, by hand, CUDA graph", by_hand), ("PyTorch, vmap compiled", compiled)]:
            x, y, parameters = problem(batch, hidden, precision)
            check = Check(name, x, y, parameters, activation, precision)
            x, y, *tensors = [torch.from_numpy(p).to(device) for p in (x, y, *parameters)]
            steps = 5 if toy else 20
            with torch.no_grad():
                run, trained, before = make(x, y, tensors, activation, steps)

                def run_and_wait(run=run):
                    run()
                    wait()

                run_and_wait()
                check([p.cpu().numpy() for p in trained()], before + steps)
                rate = timed(run_and_wait, steps, batch, 0.01 if toy else 0.4)
                emit(name, hidden, activation, precision, batch, rate)


def notebook(toy, emit, device):
    """The loop as it is written in the notebook."""
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(15, 20), nn.ReLU(), nn.Linear(20, 1)).to(device)
    x, y = torch.randn(2, 15, device=device), torch.randn(2, 1, device=device)
    loss_fn = nn.MSELoss(reduction="sum")

    def parameters():
        """As a batch of one network, from inputs to outputs."""
        all_of_them = [p.detach().cpu().numpy() for p in model.parameters()]
        return [(p.T if p.ndim == 2 else p.reshape(1, -1))[None].copy() for p in all_of_them]

    name = "PyTorch, the notebook's loop"
    check = Check(name, x.cpu().numpy()[None], y.cpu().numpy()[None], parameters(), "relu", "f32")
    steps, begun = 0, None
    while begun is None or time.perf_counter() - begun < (0.05 if toy else 1.5):
        loss = loss_fn(model(x), y)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for param in model.parameters():
                param -= 1e-4 * param.grad
        loss.item()
        steps += 1
        if begun is None and steps == 20:
            check(parameters(), steps)
            steps, begun = 0, time.perf_counter()
    emit(name, 20, "relu", "f32", 1, steps / (time.perf_counter() - begun))


def peak(emit):
    """Fused multiply-adds in registers: what the card could do, in operations a second."""
    import cupy

    source = """
    extern "C" __global__ void peak(REAL *out, REAL a, REAL b) {
        REAL s[16];
        for (int i = 0; i < 16; i++) s[i] = threadIdx.x + i;
        for (int round = 0; round < 4096; round++) {
            #pragma unroll
            for (int i = 0; i < 16; i++) s[i] = s[i] * a + b;
        }
        REAL sum = 0;
        for (int i = 0; i < 16; i++) sum += s[i];
        out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
    }"""
    for precision, word, dtype in [("f32", "float", cupy.float32), ("f64", "double", cupy.float64)]:
        kernel = cupy.RawKernel(source.replace("REAL", word), "peak")
        blocks, threads = 132 * 16, 512
        out = cupy.zeros(blocks * threads, dtype)
        call = lambda: kernel((blocks,), (threads,), (out, dtype(0.999), dtype(1e-3)))
        for _ in range(5):
            call()
        cupy.cuda.Device().synchronize()
        begun = time.perf_counter()
        for _ in range(20):
            call()
        cupy.cuda.Device().synchronize()
        flops = 2.0 * 16 * 4096 * blocks * threads * 20 / (time.perf_counter() - begun)
        emit("peak of fused multiply-adds, operations", 0, "", precision, 1, flops)


def worker(arguments):
    """One framework in this process: a line of JSON a measurement."""

    def emit(name, hidden, activation, precision, batch, rate):
        row = dict(name=name, hidden=hidden, activation=activation, precision=precision, batch=batch, rate=rate)
        print(json.dumps(row), flush=True)

    cells = [cell_of(text) for text in arguments.cells.split(",")]
    if arguments.worker == "jax":
        if arguments.device == "cpu":
            os.environ["JAX_PLATFORMS"] = "cpu"
        jax_cells(cells, arguments.toy, emit)
    elif arguments.worker == "torch":
        torch_cells(cells, arguments.toy, emit, arguments.device)
    elif arguments.worker == "notebook":
        notebook(arguments.toy, emit, arguments.device)
    else:
        peak(emit)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", default=CELLS)
    parser.add_argument("--only", default="peak,notebook,jax,torch")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--budget", type=float, default=150)
    parser.add_argument("--out")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return worker(arguments)
    begun, rows, notes = time.monotonic(), [], []
    for framework in arguments.only.split(","):
        if framework == "peak" and arguments.device == "cpu":
            continue
        # A cell at a time: what fails or lasts too long takes no other with it.
        for cell in arguments.cells.split(",") if framework in ("jax", "torch") else [arguments.cells]:
            left = arguments.budget - (time.monotonic() - begun)
            if left < 5:
                notes.append(f"left out, the budget is over: {framework} {cell}")
                continue
            command = [sys.executable, __file__, "--worker", framework, "--cells", cell, "--device", arguments.device]
            try:
                done = subprocess.run(
                    command + ["--toy"] * arguments.toy, capture_output=True, text=True, timeout=left
                )
                text, error = done.stdout, done.stderr.strip().splitlines()[-1:] if done.returncode else []
            except subprocess.TimeoutExpired as late:
                text, error = (late.stdout or b"").decode(), ["the budget is over"]
            for line in text.splitlines():
                rows.append(json.loads(line))
                row = "{name:40} {hidden:4} {activation:5} {precision} {batch:7} {rate:12.4g}"
                print(row.format(**rows[-1]), flush=True)
            notes += [f"{framework} {cell}: {e}" for e in error]
            if arguments.out:
                with open(arguments.out, "w") as file:
                    json.dump(dict(rows=rows, notes=notes), file, indent=1)
    for note in notes:
        print(note)


if __name__ == "__main__":
    main()
