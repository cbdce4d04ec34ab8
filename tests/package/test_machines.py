"""A run on several machines: whatever trains where, in which order, twice or not at first, the result is that of one
process. Run by `./check`; tests that need Dask or fsspec are skipped where they are not installed."""

import json
import multiprocessing
import os
import pickle
import random
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import thalweg as tw

# One of its cells stops when it is decided, and some replicates diverge.
STUDY = tw.Study("Small", points=4, dim=3, hidden=[8], rate=0.02, steps=2000, replicates=30, seed=7)
STUDY = STUDY.compare("d", dim=[2], rate=[0.02, 5.0])
STUDY = STUDY.compare("decided", replicates=[{"until_decided": {"at_most": 40}}])


def untimed(value):
    if isinstance(value, dict):
        return {k: untimed(v) for k, v in value.items() if k != "seconds"}
    return [untimed(v) for v in value] if isinstance(value, list) else value


def everything(run):
    """All that a run says, but how long it took."""
    rows = [[run.cell(c).replicate(r).row for r in range(12)] for c in range(len(run.names))]
    return json.dumps([untimed(run.analysis), rows], sort_keys=True)


@pytest.fixture(scope="module")
def alone():
    return everything(STUDY.run(progress=False))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_leave_what_one_leaves(alone, method):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as executor:
        for shards in (1, 5):
            assert everything(STUDY.run(executor=executor, shards=shards, progress=False)) == alone


class Unreliable:
    """Loses some workers, or all from some shard on; does some work twice, and is slow in no order."""

    def __init__(self, losses=0, good=None):
        self.losses, self.good, self.given = losses, good, 0
        self.random = random.Random(5)

    def submit(self, function, *arguments):
        self.given += 1
        future, lost = Future(), self.losses and self.given % 3 == 0
        self.losses -= bool(lost)
        lost = lost or (self.good is not None and self.given > self.good)

        def work():
            # What is lost is lost last.
            time.sleep(0.5 if lost else self.random.random() / 10)
            if not future.set_running_or_notify_cancel():
                return
            if lost:
                future.set_exception(RuntimeError("the worker was lost"))
                return
            try:
                again, same = pickle.loads(pickle.dumps((function, arguments)))
                future.set_result(again(*same) + function(*arguments))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future


def test_a_lost_worker_a_second_copy_and_a_slow_node_change_nothing(alone):
    executor = Unreliable(losses=3)
    assert everything(STUDY.run(executor=executor, shards=8, progress=False)) == alone
    assert executor.given == 8 + 3
    with pytest.raises(RuntimeError, match="was lost"):
        STUDY.run(executor=Unreliable(good=2), shards=9, progress=False)


def test_a_folder_keeps_the_shards_of_an_executor_that_broke(alone, tmp_path):
    folder = tmp_path / "run"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        # It kills its worker once two shards are kept.
        def told(*_):
            if len(list(folder.rglob("*.piece"))) >= 2:
                for pid in list(executor._processes):
                    os.kill(pid, signal.SIGKILL)

        with pytest.raises(tw.ThalwegError, match="the same call with a new executor goes on"):
            STUDY.run(folder, executor=executor, shards=16, progress=told)
    kept = len(list(folder.rglob("*.piece")))
    assert kept >= 2
    executor = Unreliable()
    run = STUDY.run(folder, executor=executor, shards=16, progress=False)
    assert everything(run) == alone
    assert executor.given < 16
    assert not (folder / "pieces").exists() and (folder / "report.html").exists()
    # The folder is a run as any other: nothing is trained again.
    assert everything(STUDY.run(folder, progress=False)) == alone


def test_what_is_finished_is_kept_when_an_executor_breaks_while_it_is_given_work(tmp_path):
    class Breaks:
        given = 0

        def submit(self, function, *arguments):
            self.given += 1
            if self.given == 5:
                raise RuntimeError("no more")
            future = Future()
            future.set_result(function(*arguments))
            return future

    with pytest.raises(RuntimeError, match="no more"):
        STUDY.run(tmp_path / "run", executor=Breaks(), shards=8, progress=False)
    assert len({piece.name for piece in (tmp_path / "run").rglob("*.piece")}) >= 4

    class Nothing:
        def submit(self, *_):
            future = Future()
            future.set_result(None)
            return future

    with pytest.raises(tw.ThalwegError, match="gave NoneType"):
        STUDY.run(executor=Nothing(), progress=False)


def test_ones_own_arrays_and_files_go_along(tmp_path):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=6)
    rows = "\n".join(",".join(map(str, [*point, target])) for point, target in zip(x, y))
    (tmp_path / "mine.csv").write_text("x0,x1,y0\n" + rows)
    text = (
        'replicates = 6\n[data]\nfile = "mine.csv"\n[net]\nhidden = [4]\n[descent]\nrate = 0.01\nsteps = 50\n'
        '[[compare]]\nname = "rate"\n"descent.rate" = [0.02]\n'
    )
    init = {"0.weight": np.eye(4, 2), "0.bias": np.zeros(4), "2.weight": np.ones((1, 4)), "2.bias": np.zeros(1)}
    studies = [
        tw.Study.from_toml(text, tmp_path),
        tw.Study(x=x, y=y, init=init, hidden=[4], rate=0.01, steps=50, replicates=6),
    ]
    for number, study in enumerate(studies):
        alone = study.run(progress=False)
        plan = pickle.loads(pickle.dumps(study.plan()._native))
        assert plan.cells == study.plan()._native.cells
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
            there = study.run(executor=executor, shards=3, progress=False)
            kept = study.run(tmp_path / f"run{number}", executor=executor, shards=3, progress=False)
        for run in (there, kept):
            assert [run.cell(0).replicate(r).row for r in range(6)] == [alone.cell(0).replicate(r).row for r in range(6)]
            assert run.cell(0).replicate(2).explain().sentences == alone.cell(0).replicate(2).explain().sentences


def test_mistakes_are_told_before_anything_is_trained():
    class Never:
        def submit(self, *_):
            raise AssertionError

    with pytest.raises(tw.StudyError, match="points"):
        STUDY.set(points=0).run(executor=Never(), progress=False)
    for shards in (0, "a", 10**20):
        with pytest.raises(tw.StudyError, match="1 to 1000000 shards"):
            STUDY.run(executor=Never(), shards=shards, progress=False)
    for executor in (3, ThreadPoolExecutor):
        with pytest.raises(tw.StudyError, match="is no executor"):
            STUDY.run(executor=executor, progress=False)
    with ProcessPoolExecutor(1) as executor:
        # What a worker finds out is the same exception.
        with pytest.raises(tw.ThalwegError, match="engine"):
            STUDY.run(executor=executor, shards=2, engine="gpu:cuda:99", progress=False)
    plan = STUDY.plan()._native
    for span in [(0, 5, 5), (0, 0, 31), (9, 0, 1)]:
        with pytest.raises(tw.StudyError):
            plan.train([span])
    with pytest.raises(tw.ThalwegError, match="piece"):
        plan.run(None, None, [b"thalweg1 and nothing else"])


def test_progress_and_an_end_from_outside():
    told = []
    with ThreadPoolExecutor(2) as executor:
        STUDY.run(executor=executor, shards=4, progress=lambda *state: told.append(state))
        assert told[-1][0] == told[-1][1] == 30 * 3 + 40
        assert [t[0] for t in told] == sorted(t[0] for t in told)

        def enough(done, *_):
            if done:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            STUDY.run(executor=executor, shards=30, progress=enough)


@pytest.mark.parametrize("where", ["memory://runs/small", "file://{}/small"])
def test_an_object_store_keeps_a_run(alone, where, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    url = where.format(tmp_path)
    with pytest.raises(RuntimeError, match="was lost"):
        STUDY.run(url, executor=Unreliable(good=4), shards=12, progress=False)
    files, path = fsspec.core.url_to_fs(url)
    assert any(name.endswith(".piece") for name in files.find(path))
    executor = Unreliable()
    assert everything(STUDY.run(url, executor=executor, shards=12, progress=False)) == alone
    assert executor.given < 12
    names = {name.rsplit("small/", 1)[1] for name in files.find(path)}
    assert {"study.toml", "plan.json", "report.html", "replicates.parquet"} <= names
    assert not any("pieces" in name for name in names)
    # Without an executor too; everything is there already.
    assert everything(STUDY.run(url, progress=False)) == alone


def test_a_dask_cluster_that_loses_a_worker(alone):
    distributed = pytest.importorskip("distributed")
    settings = {"distributed.worker.daemon": False, "distributed.comm.timeouts.connect": "5s"}
    import dask

    with (
        dask.config.set(settings),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        pids = list(client.run(os.getpid).values())
        killed = []

        def told(done, *_):
            if done and not killed:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])

        long = STUDY.set(steps=20_000)
        run = long.run(executor=executor, shards=24, progress=told)
        assert killed
        assert everything(run) == everything(long.run(progress=False))
