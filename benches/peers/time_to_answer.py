"""The time until a question is answered: `thalweg run` against a skilful JAX script on the same replicates.

    python benches/peers/time_to_answer.py --out answer    # answer.md and answer.json

"Of 1000 networks, how many get below 1e-8 within 1e5 steps, and when?" for d = 15 and d = 2, tanh 16-16 and relu 32-32,
f64. Both programs train the same training sets from the same weights. Ours is timed as a whole process. JAX
(answer_in_jax.py) is timed without its imports and without the draws; compilation is listed by itself.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile

import ours
from problem import need
from table import machine, write

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE / "answer_in_jax.py"
RATE = 0.005
# The options of the JAX script are the best of a few that were tried for each cell; `--tune` tries them again.
CELLS = {
    "d15-tanh": (15, "tanh", [16, 16], dict(batch=64, chunk=50, smallest=32)),
    "d15-relu": (15, "relu", [32, 32], dict(batch=32, chunk=50, smallest=16)),
    "d2-tanh": (2, "tanh", [16, 16], dict(batch=64, chunk=500, smallest=8)),
    "d2-relu": (2, "relu", [32, 32], dict(batch=32, chunk=500, smallest=8)),
}
BATCHES = (16, 32, 64, 128, 256)
# The numbers that reached the loss may differ by this share of the replicates: at the edge of stability a run is chaotic,
# and programs that sum in another order, or the same program with another batch size, part ways after some hundred steps.
ALLOWED = 0.015
NO_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def jax(cell, args, cores, threads, **options):
    dim, activation, hidden, tuned = CELLS[cell]
    settings = {
        "dim": dim,
        "activation": activation,
        "replicates": args.replicates,
        "budget": args.budget,
        "rate": RATE,
        "precision": args.precision,
        "threads": threads,
        **tuned,
        **options,
    }
    plain = settings.pop("plain", False)
    command = [sys.executable, str(SCRIPT), "--hidden", *map(str, hidden)] + (["--plain"] if plain else [])
    for name, value in settings.items():
        command += [f"--{name}", str(value)]
    answer = json.loads(ours.spend(command, cores)[2])
    both = {k: answer["compiling"][k] + answer["training"][k] for k in ("wall", "cpu")}
    return dict(answer, wall=both["wall"], cpu=both["cpu"])


def thalweg(cell, args, cores, threads, program):
    need("polars")
    import polars

    dim, activation, hidden, _ = CELLS[cell]
    with tempfile.TemporaryDirectory() as folder:
        text = ours.study(hidden, activation, args.precision, args.budget, args.replicates, dim, RATE, stop="below")
        cpu, wall = ours.train(program, text, folder, threads, cores)
        rows = polars.read_parquet(f"{folder}/run/replicates.parquet").sort("replicate")
    hits = [below if outcome == "below" else -1 for outcome, below in rows.select("outcome", "first_below").iter_rows()]
    return {"cpu": cpu, "wall": wall, "reached": sum(h >= 0 for h in hits), "hits": hits}


def tune(args):
    """Steps a second of JAX for each cell and batch size, all replicates busy."""
    for cell in args.cells:
        few = argparse.Namespace(**{**vars(args), "replicates": 256, "budget": 1000})
        for batch in BATCHES:
            answer = jax(cell, few, str(args.core), 1, batch=batch, smallest=batch, chunk=100)
            rate = answer["steps"] / answer["training"]["cpu"]
            print(f"{cell}: batch {batch:4}  {rate / 1e3:7.1f} k steps/s", flush=True)


def median_of(runs):
    middle = sorted(runs, key=lambda run: run["cpu"])[(len(runs) - 1) // 2]
    return {
        **middle,
        "cpu": statistics.median(r["cpu"] for r in runs),
        "wall": statistics.median(r["wall"] for r in runs),
    }


def markdown(result):
    facts = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines = [
        "# Time to answer",
        "",
        f"{facts['processor']} ({facts.get('vectors', '')}), {facts['system']}. {versions}, Python {facts['python']}. "
        f"{result['date']}.",
        f"{result['replicates']} replicates, stop at a loss below 1e-8, budget {result['budget']} steps, rate {RATE}, "
        f"{result['precision']}, N = 20, PyTorch's initial law. Thalweg: the whole process. JAX: compiling and training, without imports and draws.",
        "",
        "| cell | threads | program | wall s | processor s | of it compiling | reached | median step | same step | wall / ours | "
        "processor / ours | the same without compiling |",
        "|" + "---|" * 12,
    ]
    for row in result["rows"]:
        mine = row["ours"]
        head = f"| {row['cell']} | {row['threads']} |"
        lines.append(
            f"{head} Thalweg | {mine['wall']:.2f} | {mine['cpu']:.2f} | | {mine['reached']} | {mine['median']:.0f} | | | | |"
        )
        for form, run in row["jax"].items():
            lines.append(
                f"{head} {form} | {run['wall']:.2f} | {run['cpu']:.2f} | {run['compiling']['cpu']:.2f} | {run['reached']} | "
                f"{run['median']:.0f} | {run['same']} | {run['wall'] / mine['wall']:.2f} | {run['cpu'] / mine['cpu']:.2f} | "
                f"{run['training']['cpu'] / mine['cpu']:.2f} |"
            )
    lines += [
        "",
        "Median step: of all replicates, those that did not get there counting as the budget. Same step: replicates that reached "
        "the loss at exactly the same step, or not at all, in both programs. The others sit at the edge of stability, where "
        "round-off grows to a different path; JAX differs as much from itself with another batch size.",
    ]
    lines += ["", "## The script", "", "```python", SCRIPT.read_text().rstrip(), "```", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/answer", help="write OUT.md and OUT.json (default: %(default)s)")
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--budget", type=int, default=100_000)
    parser.add_argument("--precision", choices=["f32", "f64"], default="f64")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--core", type=int, default=0, help="the first processor to use (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=1, help="the median is shown; cells at d = 15 get three times as many"
    )
    parser.add_argument(
        "--plain", action="store_true", help="also JAX without refilling and compacting (long at d = 2)"
    )
    parser.add_argument("--tune", action="store_true", help="only measure JAX at several batch sizes")
    parser.add_argument(
        "--thalweg", metavar="FILE", help="the program (default: $THALWEG, target/release/thalweg, or on the path)"
    )
    args = parser.parse_args()
    if shutil.which("taskset") is None:
        sys.exit("error: no program taskset (util-linux), which pins each process to a core")
    if min(args.rounds, args.replicates, args.budget, *args.threads) < 1:
        sys.exit("error: --rounds, --replicates, --budget and --threads must be positive")
    available = os.sched_getaffinity(0)
    wanted = set(range(args.core, args.core + max(args.threads)))
    if not wanted <= available:
        sys.exit(
            f"error: processors {sorted(wanted)} wanted, {sorted(available)} available\nhint: --threads 1, or another --core"
        )
    need("numpy", "scipy", "jax", "polars")
    os.environ.update(NO_THREADS)
    if args.tune:
        return tune(args)
    program = ours.find(args.thalweg)

    forms = {"JAX, refilled and compacted": {}}
    if args.plain:
        forms["JAX, batches until all ended"] = {"plain": True}
    rows, wrong, versions = [], [], {"thalweg": ours.version(program).removeprefix("thalweg ")}
    for cell in args.cells:
        for threads in args.threads:
            cores = f"{args.core}-{args.core + threads - 1}"
            mine, others = [], {form: [] for form in forms}
            for _ in range(args.rounds * (3 if CELLS[cell][0] == 15 else 1)):
                mine.append(thalweg(cell, args, cores, threads, program))
                for form, options in forms.items():
                    others[form].append(jax(cell, args, cores, threads, **options))
            row = {"cell": cell, "threads": threads, "ours": median_of(mine), "jax": {}}
            for form, runs in others.items():
                run = median_of(runs)
                versions["jax"] = run["jax"]
                run["same"] = sum(a == b for a, b in zip(run["hits"], row["ours"]["hits"]))
                if abs(run["reached"] - row["ours"]["reached"]) > max(2, ALLOWED * args.replicates):
                    wrong.append(f"{cell}: {form} reached {run['reached']}, Thalweg {row['ours']['reached']}")
                row["jax"][form] = run
                print(
                    f"{cell}, {threads} threads: ours {row['ours']['cpu']:.2f} s of processor time, {form} {run['cpu']:.2f} s; "
                    f"reached {row['ours']['reached']}, {run['reached']}; same step {run['same']}",
                    file=sys.stderr,
                    flush=True,
                )
            rows.append(row)
    for row in rows:
        for run in (row["ours"], *row["jax"].values()):
            run["median"] = statistics.median(h if h >= 0 else args.budget for h in run.pop("hits"))
    result = dict(
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        machine=machine(),
        versions=versions,
        replicates=args.replicates,
        budget=args.budget,
        precision=args.precision,
        rows=rows,
    )
    text = markdown(result)
    write(args.out, result, text)
    print(text.split("\n## The script")[0])
    if wrong:
        sys.exit("error: the programs disagree\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
