"""Rates of PyTorch, JAX, NumPy and Thalweg in one run, in turn, as a table in Markdown and JSON.

    python benches/peers/table.py --check        # the same losses from every form, then stop
    python benches/peers/table.py --out peers    # the check, then peers.md and peers.json

A rate is replicate-steps a second of processor time (user and system, all threads) of the process, on one core and one
thread. Batch sizes are chosen first, one short measurement each; then every form is measured once a round, and the
median over rounds is shown.
"""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys

import ours
from problem import ACTIVATIONS, D, HIDDEN, N, RATE, RATE_OF_CHECK, TYPES, flops, need

HERE = pathlib.Path(__file__).resolve().parent
LIBRARIES = {"PyTorch": "of_torch", "JAX": "of_jax", "NumPy": "of_numpy"}
LOOP = ("PyTorch", "the notebook's loop")
ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS")
}
# Steps compared, replicates compared, relative error allowed.
AT, COMPARED, ALLOWED = [0, 1, 50, 99], 4, 1e-12


class Worker:
    """A library in its own process, on one core."""

    def __init__(self, module, core, environment=()):
        command = ["taskset", "-c", str(core), sys.executable, str(HERE / "worker.py"), module]
        self.module = module
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **ONE_THREAD, **dict(environment)},
            text=True,
            bufsize=1,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("PEERS_TALK") else subprocess.DEVNULL,
        )

    def ask(self, do, **order):
        try:
            self.process.stdin.write(json.dumps({"do": do, **order}) + "\n")
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            sys.exit(f"error: {self.module} ended while asked to {do} {order}\nhint: PEERS_TALK=1 shows what it says")
        answer = json.loads(line)
        if "error" in answer:
            sys.exit(f"error: {self.module}, {do} {order}: {answer['error']}")
        return answer

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def say(text):
    print(text, file=sys.stderr, flush=True)


def check(workers, program, hiddens):
    """The largest relative difference of any f64 loss, for every form; ends on a wrong one.

    Held against PyTorch's autograd, or the first form if there is no PyTorch.
    """
    worst = {}
    for hidden, activation in itertools.product(hiddens, ACTIVATIONS):
        setting = dict(hidden=hidden, activation=activation, precision="f64", rate=RATE_OF_CHECK, at=AT)
        found = {}
        for name, worker in workers.items():
            for form, _ in worker.ask("describe")["forms"]:
                found[name, form] = worker.ask("losses", form=form, batch=COMPARED, **setting)["losses"]
        if program:
            found["Thalweg", "run"] = ours.losses(program, hidden, activation, "f64", RATE_OF_CHECK, COMPARED, AT)
        # Autograd is nobody's hand-written derivative, but it trains the first replicate only; the others are held
        # against the first form that trains them all and agreed on that one.
        reference = [list(row) for row in found.get(LOOP, next(iter(found.values())))]
        for (name, form), rows in found.items():
            reference += rows[len(reference) :]
            for mine, theirs in zip(rows, reference):
                for step, a, b in zip(AT, mine, theirs):
                    error = abs(a - b) / abs(b)
                    worst[name, form] = max(worst.get((name, form), 0.0), error)
                    if not error <= ALLOWED:  # a NaN is wrong as well
                        sys.exit(
                            f"error: {name}, {form}, H = {hidden}, {activation}: loss {a!r} at step {step}, expected {b!r}"
                        )
    for (name, form), error in worst.items():
        say(f"  {name:8} {form:22} {error:.1e}")
    return {f"{name}, {form}": error for (name, form), error in worst.items()}


def machine():
    facts = {"system": platform.platform(), "python": platform.python_version()}
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        fields = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
        fields = {k.strip(): v.strip() for k, v in fields.items()}
        flags = fields.get("flags", "").split()
        facts["processor"] = fields.get("model name", platform.machine())
        facts["vectors"] = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "other"
        facts["processors"] = os.cpu_count()
    except OSError:
        facts["processor"] = platform.processor() or platform.machine()
    return facts


def rounded(rate):
    return f"{rate / 1e3:,.3g} k" if rate < 1e5 else f"{rate / 1e3:,.0f} k"


def markdown(result):
    """The table of a result, as written to JSON."""
    facts = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines = [
        "# Rates beside other programs",
        "",
        f"{facts['processor']} ({facts.get('vectors', '')}), {facts['system']}. {versions}, Python {facts['python']}.",
        f"{result['date']}. One core, one thread; replicate-steps a second of processor time; median of {result['rounds']} "
        f"interleaved rounds (least to most). N = {N}, d = {D}, two hidden layers of H, biases, Σ r², gradient descent, every "
        "loss recorded. R: the batch size found best.",
        "",
    ]
    forms = list(dict.fromkeys(row["form"] for row in result["rows"]))
    lines += [
        "| H | type | activation | " + " | ".join(forms) + " | GFLOP/s | ours / best other | ours / the loop |",
        "|" + "---|" * (len(forms) + 6),
    ]
    cells = {}
    for row in result["rows"]:
        cells.setdefault((row["hidden"], row["precision"], row["activation"]), {})[row["form"]] = row
    ratios = {(r["hidden"], r["precision"], r["activation"]): r for r in result["ratios"]}
    for key, cell in cells.items():
        ratio = ratios.get(key, {})
        peers = [r["rate"] for r in cell.values() if r["library"] != "Thalweg"]
        best = max(peers, default=None)
        entries = []
        for form in forms:
            row = cell.get(form)
            if row is None:
                entries.append("")
                continue
            text = f"{rounded(row['rate'])} ({rounded(min(row['rates']))} to {rounded(max(row['rates']))})"
            if row["rate"] == best:
                text = f"**{text}**"
            entries.append(text + (f", R = {row['batch']}" if row["batch"] and row["batch"] > 1 else ""))
        mine = next((r for r in cell.values() if r["library"] == "Thalweg"), None)
        tail = [
            f"{mine['rate'] * flops(key[0]) / 1e9:.1f}" if mine else "",
            f"{ratio['over_best']:.2f} ({ratio['best']})" if ratio.get("over_best") else "",
            f"{ratio['over_loop']:.3g}" if ratio.get("over_loop") else "",
        ]
        lines.append(f"| {key[0]} | {key[1]} | {key[2]} | " + " | ".join(entries + tail) + " |")
    lines += ["", f"Thalweg: {result['ours']}", ""]
    if result["check"]:
        loop = ", ".join(LOOP)
        reference = loop if loop in result["check"] else next(iter(result["check"]))
        lines += [
            f"Largest relative difference of an f64 loss at steps 0, 1, 50, 99 from that of {reference}:",
            "",
        ]
        lines += [f"- {name}: {error:.1e}" for name, error in result["check"].items()]
        lines.append("")
    return "\n".join(lines)


def ratios(rows):
    """Ours over the best other form and over the notebook's loop; medians of the ratios within each round."""
    found = []
    settings = dict.fromkeys((r["hidden"], r["precision"], r["activation"]) for r in rows)
    for hidden, precision, activation in settings:
        cell = [r for r in rows if (r["hidden"], r["precision"], r["activation"]) == (hidden, precision, activation)]
        mine = next((r for r in cell if r["library"] == "Thalweg"), None)
        others = [r for r in cell if r["library"] != "Thalweg"]
        if mine is None or not others:
            continue
        best = max(others, key=lambda r: r["rate"])
        entry = dict(hidden=hidden, precision=precision, activation=activation, best=best["form"])
        entry["over_best"] = statistics.median(a / b for a, b in zip(mine["rates"], best["rates"]))
        loop = next((r for r in others if r["form"] == ", ".join(LOOP)), None)
        if loop:
            entry["over_loop"] = statistics.median(a / b for a, b in zip(mine["rates"], loop["rates"]))
        found.append(entry)
    return found


def write(out, result, text):
    """OUT.json and OUT.md."""
    pathlib.Path(out).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(f"{out}.json").write_text(json.dumps(result, indent=1) + "\n")
    pathlib.Path(f"{out}.md").write_text(text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare losses")
    parser.add_argument("--no-check", action="store_true", help="do not compare losses first")
    parser.add_argument("--out", default="runs/peers", help="write OUT.md and OUT.json (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement (default: %(default)s)")
    parser.add_argument("--core", type=int, default=0, help="the processor to run on (default: %(default)s)")
    parser.add_argument("--hidden", type=int, nargs="+", default=list(HIDDEN), choices=HIDDEN)
    parser.add_argument("--types", nargs="+", default=list(TYPES), choices=TYPES)
    parser.add_argument("--activations", nargs="+", default=list(ACTIVATIONS), choices=ACTIVATIONS)
    parser.add_argument("--libraries", nargs="*", default=list(LIBRARIES), choices=LIBRARIES)
    parser.add_argument(
        "--thalweg", metavar="FILE", help="the program (default: $THALWEG, target/release/thalweg, or on the path)"
    )
    parser.add_argument(
        "--ours", choices=[*ours.SOURCES, "none"], default="run", help="how our rate is taken (default: %(default)s)"
    )
    return parser.parse_args()


def main():
    args = arguments()
    if shutil.which("taskset") is None:
        sys.exit("error: no program taskset (util-linux), which pins each process to a core")
    if args.rounds < 1 or not args.seconds > 0:
        sys.exit("error: --rounds and --seconds must be positive")
    packages = {"PyTorch": ["torch"], "JAX": ["jax"], "NumPy": []}
    need("numpy", "scipy", *itertools.chain(*(packages[name] for name in args.libraries)))
    program = None if args.ours == "none" else ours.find(args.thalweg)
    workers = {name: Worker(LIBRARIES[name], args.core) for name in args.libraries}

    worst = {}
    if not args.no_check or args.check:
        say("comparing f64 losses; largest relative difference:")
        worst = check(workers, program, args.hidden)
        if args.check:
            for worker in workers.values():
                worker.end()
            return

    versions, choices = {}, []
    described = {name: worker.ask("describe") for name, worker in workers.items()}
    for description in described.values():
        versions.update(description["versions"])
    if program:
        versions["thalweg"] = ours.version(program).removeprefix("thalweg ")

    say("choosing batch sizes")
    settings = list(itertools.product(args.hidden, args.types, args.activations))
    for hidden, precision, activation in settings:
        for name, worker in workers.items():
            for form, batches in described[name]["forms"]:
                tried = {}
                for batch in batches[str(hidden)]:
                    key = f"{form}|{hidden}|{precision}|{activation}|{batch}"
                    compiled = worker.ask(
                        "prepare",
                        key=key,
                        form=form,
                        batch=batch,
                        hidden=hidden,
                        activation=activation,
                        precision=precision,
                        rate=RATE,
                        seconds=args.seconds,
                    )["compiled"]
                    tried[batch] = worker.ask("time", key=key)["rate"] if len(batches[str(hidden)]) > 1 else 0.0
                best = max(tried, key=tried.get)
                for batch in tried:
                    if batch != best:
                        worker.ask("forget", key=f"{form}|{hidden}|{precision}|{activation}|{batch}")
                say(
                    f"  H = {hidden} {precision} {activation}: {name}, {form}: R = {best} ({compiled:.1f} s to compile)"
                )
                choices.append(
                    dict(
                        library=name,
                        form=f"{name}, {form}",
                        hidden=hidden,
                        precision=precision,
                        activation=activation,
                        batch=best,
                        tried=tried,
                        rates=[],
                        key=f"{form}|{hidden}|{precision}|{activation}|{best}",
                    )
                )
    rate_of_ours = ours.SOURCES[args.ours](program, args.core, args.seconds) if program else None
    if program:
        choices += [
            dict(library="Thalweg", form="Thalweg", hidden=h, precision=p, activation=a, batch=None, rates=[])
            for h, p, a in settings
        ]

    for number in range(args.rounds):
        say(f"round {number + 1} of {args.rounds}")
        for setting in settings:
            for row in choices:
                if (row["hidden"], row["precision"], row["activation"]) != setting:
                    continue
                if row["library"] == "Thalweg":
                    row["rates"].append(rate_of_ours(row["hidden"], row["activation"], row["precision"]))
                else:
                    row["rates"].append(workers[row["library"]].ask("time", key=row["key"])["rate"])
    for worker in workers.values():
        worker.end()

    for row in choices:
        row["rate"] = statistics.median(row["rates"])
        row.pop("key", None)
    result = dict(
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        machine=machine(),
        versions=versions,
        rounds=args.rounds,
        seconds=args.seconds,
        rows=choices,
        ratios=ratios(choices),
        check=worst,
        ours=" ".join((ours.SOURCES[args.ours].__doc__ or "").split()) if program else "not run",
    )
    text = markdown(result)
    write(args.out, result, text)
    print(text)


if __name__ == "__main__":
    main()
