"""Forks, threads and signals around a run: the same bits, and no Ctrl-C is lost. Run by `./check`."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import thalweg as tw

STUDY = tw.Study("Small", points=4, dim=3, hidden=[8], rate=0.02, steps=2000, replicates=40, seed=7)
STUDY = STUDY.compare("d", dim=[2], rate=[0.02, 5.0])


def bits(run):
    """What was trained, to the last bit: ends of every replicate, rows, and weights that are trained again."""
    cells = range(len(run.names))
    ends = [np.stack([run.cell(c).hitting_times, run.cell(c).final_loss]).tobytes() for c in cells]
    rows = [json.dumps(run.cell(c).replicate(3).row, sort_keys=True) for c in cells]
    weights = {name: array.tobytes() for name, array in run.cell(0).replicate(3).weights.items()}
    return pickle.dumps((ends, rows, weights, tw.ntk(STUDY, np.eye(3)).tobytes()))


@pytest.fixture(scope="module")
def alone():
    return bits(STUDY.run(progress=False))


def in_a_child(work):
    """What a forked child says of itself, and its exit code."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            # It is not to wait for ever where a lock was held.
            signal.alarm(60)
            os.close(read)
            with os.fdopen(write, "wb") as pipe:
                pipe.write(work())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    return said, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_after_a_run_trains_the_same_bits(alone):
    run = STUDY.run(progress=False)
    for threads in (None, 1, 3):
        assert in_a_child(lambda: bits(STUDY.run(threads=threads, progress=False))) == (alone, 0)
    # What the parent trained is there too, and the parent goes on.
    assert in_a_child(lambda: bits(run)) == (alone, 0)
    assert bits(run) == alone
    assert bits(STUDY.run(progress=False)) == alone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_during_a_run_of_another_thread_trains_the_same_bits(alone):
    begun, enough = threading.Event(), threading.Event()

    def told(*_):
        begun.set()
        if enough.is_set():
            raise InterruptedError

    long = STUDY.set(steps=10**9, rate=1e-9, replicates=4)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(long.run, threads=2, progress=told)
        assert begun.wait(60)
        assert in_a_child(lambda: bits(STUDY.run(progress=False))) == (alone, 0)
        assert not other.done()
        enough.set()
        with pytest.raises(InterruptedError):
            other.result(60)


def test_threads_at_once_have_the_results_of_each_alone(alone):
    other = STUDY.set(seed=8, hidden=[6, 6])
    other_alone = bits(other.run(progress=False))
    assert other_alone != alone
    together = threading.Barrier(4)

    def one(study, threads):
        together.wait()
        return bits(study.run(threads=threads, progress=False))

    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            jobs = [pool.submit(one, study, threads) for study in (STUDY, other) for threads in (1, 2)]
            assert [job.result(120) for job in jobs] == [alone, alone, other_alone, other_alone]


def test_one_run_is_asked_by_threads_at_once(alone):
    run = STUDY.run(progress=False)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(bits, [run] * 8)) == [alone] * 8


WORKER_AT_WORK = """
import os, signal, sys, threading, time
import thalweg as tw

begun, end = threading.Event(), threading.Event()
def told(done, all_, seconds):
    begun.set()
    if end.is_set():
        raise InterruptedError
study = tw.Study(points=4, dim=3, hidden=[8], rate=1e-9, steps=10**9, replicates=4)
def work():
    try:
        study.run(threads=1, progress=told)
    except InterruptedError:
        print("the worker went on until it was told", flush=True)
worker = threading.Thread(target=work)
worker.start()
begun.wait()
signals = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
signals.start()
try:
    {main}
    print("nobody was interrupted")
except KeyboardInterrupt:
    print("main was interrupted", worker.is_alive(), flush=True)
end.set()
worker.join()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no signals between processes here")
@pytest.mark.parametrize("main", ["time.sleep(60)", "end.wait(60)", "study.set(seed=2).run(threads=1, progress=False)"])
def test_ctrl_c_is_for_the_main_thread_while_a_worker_trains(main):
    script = WORKER_AT_WORK.replace("{main}", main)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["main was interrupted True", "the worker went on until it was told"]
