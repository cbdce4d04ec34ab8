"""Thalweg beside the others: the one place that knows how its rate is taken.

A source is a function `(program, core, seconds) -> rate`, and `rate(hidden, activation, precision)` is called once a
round for each setting. Add another here and to SOURCES, nothing else has to change.
"""

import json
import math
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

from problem import D, N, RATE, SEED, need

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def find(given):
    """The program: as given, $THALWEG, the release build of this repository, or on the path."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    for candidate in (given, os.environ.get("THALWEG")):
        if candidate:
            if not os.access(candidate, os.X_OK):
                sys.exit(f"error: {candidate} is not a program")
            return os.path.abspath(candidate)
    built = target / "release" / "thalweg"
    program = str(built) if built.exists() else shutil.which("thalweg")
    if program is None:
        sys.exit(
            f"error: no program thalweg: neither {built} nor on the path\n"
            "hint: cargo build --release, or --thalweg FILE"
        )
    return program


def version(program):
    return spend([program, "--version"])[2].strip()


def spend(command, cores=None):
    """Runs a command: seconds of processor time (user and system), of wall time, and what it printed."""
    if cores:
        command = ["taskset", "-c", cores, *command]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}\n{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, done.stdout


def study(hidden, activation, precision, steps, replicates, dim=D, rate=RATE, stop="never", losses=0):
    """A study file of one cell; nothing is looked at and, but for `losses` replicates' losses, nothing kept."""
    return f"""title = "Beside others"
seed = {SEED}
replicates = {replicates}
data = {{ points = {N}, dim = {dim} }}
net = {{ hidden = {list(hidden)}, activation = "{activation}", init = "pytorch" }}
descent = {{ rate = {rate!r}, steps = {steps}, precision = "{precision}", stop = "{stop}" }}
look = {{ replicates = 0 }}
keep = {{ replicates = {losses}, losses = "all" }}
"""


def train(program, text, folder, threads=1, cores=None):
    """Runs a study from nothing: processor time, wall time; the run is left in `folder`/run."""
    file = pathlib.Path(folder) / "study.toml"
    file.write_text(text)
    command = [program, "run", str(file), "--fresh", "--threads", str(threads), "--out", str(file.with_name("run"))]
    return spend(command, cores)[:2]


def losses(program, hidden, activation, precision, rate, replicates, at):
    """Losses of replicates at given steps, a list for each replicate."""
    need("polars")
    import polars

    with tempfile.TemporaryDirectory() as folder:
        train(
            program,
            study((hidden, hidden), activation, precision, max(at), replicates, rate=rate, losses=replicates),
            folder,
        )
        curves = polars.read_parquet(f"{folder}/run/curves.parquet").filter(polars.col("kind") == "observed")
    found = {(r, s): loss for r, s, loss in curves.select("replicate", "step", "loss").iter_rows()}
    return [[found[r, s] for s in at] for r in range(replicates)]


def by_run(program, core, seconds):
    """Replicate-steps over the processor time of a whole `thalweg run`: start, draws, record and report included.

    The others are timed without their start, so this rate is too low by up to a few per cent.
    """
    steps = {}

    def rate(hidden, activation, precision):
        replicates = 64 if hidden < 128 else 16

        def run(count):
            with tempfile.TemporaryDirectory() as folder:
                text = study((hidden, hidden), activation, precision, count, replicates)
                return train(program, text, folder, cores=str(core))[0]

        key = hidden, activation, precision
        if key not in steps:
            idle, some = run(0), 200
            while (spent := run(some) - idle) < 0.2:
                some *= 4
            steps[key] = max(some, math.ceil(some * max(seconds, 1.5) / spent))
        return replicates * steps[key] / run(steps[key])

    return rate


def by_bench(program, core, seconds):
    """The rate that `thalweg bench --json` measures inside the program, 16 networks at once, one bench a round."""
    seen, rates = set(), {}

    def rate(hidden, activation, precision):
        key = hidden, activation, precision
        if not rates or key in seen:  # a new round
            seen.clear()
            command = [
                "taskset",
                "-c",
                str(core),
                program,
                "bench",
                "--json",
                "--rounds",
                "1",
                "--seconds",
                str(seconds),
            ]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode not in (0, 1):  # 1: below a floor, which is not what is asked here
                sys.exit(f"error: {' '.join(command)} ended with {done.returncode}\n{done.stderr}")
            for row in json.loads(done.stdout)["rows"]:
                if row["replicates"] > 1:
                    rates[row["hidden"], row["activation"], row["precision"]] = row["rate"]
        seen.add(key)
        if key not in rates:
            sys.exit(f"error: `thalweg bench --json` has no row for {key}")
        return rates[key]

    return rate


SOURCES = {"run": by_run, "bench": by_bench}
