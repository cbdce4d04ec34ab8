"""Studies as values."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _thalweg
from ._cuda import load_nvrtc
from ._executor import Executor
from ._executor import train as train_in
from ._object_store import is_url, opened
from ._progress import watching
from ._thalweg import StudyError

if TYPE_CHECKING:
    from ._run import Plan, Run

Progress = bool | Callable[[int, int, float], None]

# Tables of a study file, which may be given as a whole.
_TABLES = ("data", "net", "descent", "success", "look", "keep", "test", "map")


def of_limit(share: float) -> dict[str, float]:
    """A learning rate as a share of the largest stable one of each replicate's linearised network, for ``rate``."""
    return {"of_limit": share}


def _plain(value: Any) -> Any:
    """What JSON knows, of numbers and arrays of NumPy and of paths."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, PathLike):
        return fspath(value)
    raise TypeError(f"a study holds numbers, texts, lists and dicts, not {type(value).__name__}")


def _key(name: str) -> str:
    """The whole key that a name means: ``points`` is ``data.points``."""
    if "." in name or name in _TABLES:
        return name
    key = _thalweg.key(name)
    if key is None:
        raise StudyError(f"there is no setting `{name}`\n\nhint: settings are those of docs/study-file.md")
    return key


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    *tables, last = key.split(".")
    for name in tables:
        table = table.setdefault(name, {})
    if isinstance(value, Mapping) and last in _TABLES:
        table.setdefault(last, {}).update(value)
    else:
        table[last] = value


def _sets(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Training sets x [N], [N, d] or [R, N, d] and y [N], [N, k], [R, N] or [R, N, k] as [R, N, d] and [R, N, k] of
    doubles.
    """
    x, y = (np.ascontiguousarray(_numpy(values), dtype=np.float64) for values in (x, y))
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim not in (2, 3):
        raise StudyError(f"x has the shape {x.shape}\n\nhint: [N, d], or [R, N, d] for a stack of R training sets")
    axes = x.ndim - 1
    if y.ndim == axes:
        y = y[..., None]
    if y.ndim != axes + 1 or y.shape[:axes] != x.shape[:axes]:
        n = ", ".join(map(str, x.shape[:axes]))
        raise StudyError(f"x has the shape {x.shape} and y {y.shape}\n\nhint: y is [{n}] or [{n}, k]")
    if axes == 1:
        x, y = x[None], y[None]
    if 0 in x.shape or 0 in y.shape:
        raise StudyError(f"x has the shape {x.shape} and y {y.shape}: there is nothing to train on")
    return np.ascontiguousarray(x), np.ascontiguousarray(y)


def _numpy(values: Any) -> Any:
    """A tensor of PyTorch as what NumPy takes; anything else as it is."""
    detach = getattr(values, "detach", None)
    return detach().cpu().numpy() if detach is not None else values


class Study:
    """What to train, what to compare it with, and what to measure.

    Settings have the names of a study file, without their table where that is not needed: ``points=20`` is
    ``data.points``, ``hidden=[32, 32]`` is ``net.hidden``; ``**{"success.share": 0.9}`` says both. A training set of your
    own is given as ``x`` [N, d] and ``y`` [N] or [N, k], initial weights as ``init`` with the names and shapes of a
    ``state_dict``.

    Settings are checked where a study file is, when the study is planned or run; what cannot be is a :class:`StudyError`
    with its place. Studies are not changed: every method gives another one.
    """

    def __init__(self, title: str | None = None, *, x: Any = None, y: Any = None, **settings: Any) -> None:
        self._table: dict[str, Any] = {}
        self._data: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._weights: dict[str, dict[str, np.ndarray]] = {}
        self._text: str | None = None
        self._folder = "."
        if title is not None:
            self._table["title"] = title
        self._set(settings, x, y)

    @classmethod
    def load(cls, name: str | PathLike[str]) -> Study:
        """A built-in study by its name, a study file, or that of a run folder; a :class:`StudyError` if there is none."""
        study = cls()
        study._text, study._folder = _thalweg.text_of(fspath(name))
        return study

    @classmethod
    def from_toml(cls, text: str, folder: str | PathLike[str] = ".") -> Study:
        """A study given as the text of a study file; its files are relative to the folder."""
        study = cls()
        study._text, study._folder = text, fspath(folder)
        return study

    @classmethod
    def from_torch(cls, module: Any, **settings: Any) -> Study:
        """The study of a ``torch.nn.Sequential``, its ``loss`` and its ``optimizer``: :func:`thalweg.torch.study`."""
        from .torch import study

        return study(module, **settings)

    def _copy(self) -> Study:
        other = copy.copy(self)
        other._table = copy.deepcopy(self._table)
        other._data, other._weights = dict(self._data), dict(self._weights)
        return other

    def _of_table(self) -> None:
        """A study that was read is changed as a table from now on."""
        if self._text is not None:
            import tomllib

            try:
                self._table = tomllib.loads(self._text)
            except tomllib.TOMLDecodeError:
                # Said with its place.
                self.plan()
                raise
            self._text = None

    def _set(self, settings: Mapping[str, Any], x: Any = None, y: Any = None) -> None:
        if (x is None) != (y is None):
            raise StudyError("x and y are given together\n\nhint: x [N, d], y [N] or [N, k]")
        if x is not None:
            self._data["x and y"] = _sets(x, y)
            _put(self._table, "data.file", "x and y")
        for name, value in settings.items():
            key = _key(name)
            if key == "net.init" and _are_weights(value):
                arrays = {k: np.asarray(_numpy(v), dtype=np.float64) for k, v in value.items()}
                self._weights["init"] = {k: np.ascontiguousarray(v) for k, v in arrays.items()}
                value = {"file": "init"}
            _put(self._table, key, value)

    def set(self, *, x: Any = None, y: Any = None, **settings: Any) -> Study:
        """The same study with other settings; a whole table, as ``data={…}``, is laid over the one that is there."""
        other = self._copy()
        other._of_table()
        other._set(settings, x, y)
        return other

    def compare(self, name: str, *, where: Mapping[str, Any] | None = None, **lists: Sequence[Any]) -> Study:
        """The same study with a comparison: a cell for every combination of the values in these lists, as
        ``compare("d", dim=[5, 2])``. Its cells train the draws of the base cell.

        ``where`` are settings that its cells have and the base cell has not.
        """
        other = self._copy()
        other._of_table()
        made: dict[str, Any] = {"name": name}
        for key, value in (where or {}).items():
            made[_key(key)] = [value]
        for key, values in lists.items():
            if isinstance(values, (str, bytes, Mapping)) or not np.iterable(values):
                raise StudyError(f"`{key}` of a comparison is a list of values\n\nhint: `{key}=[{values!r}]`")
            made[_key(key)] = list(values)
        other._table.setdefault("compare", []).append(made)
        return other

    def claim(self, what: str, value: float, between: Sequence[float], source: str, **at: Any) -> Study:
        """The same study with a published number to hold it against: the ``value`` of ``what`` (``success``,
        ``steps``, …), ``between`` where ours may lie, and its ``source``, of the cell with these settings.
        """
        other = self._copy()
        other._of_table()
        made = {"what": what, "value": value, "between": list(between), "source": source}
        if at:
            made["at"] = {_key(key): v for key, v in at.items()}
        other._table.setdefault("claim", []).append(made)
        return other

    def space(self, *, each: Mapping[str, Sequence[Any]] | None = None, **lists: Any) -> Study:
        """The same study with a space of which :meth:`Study.choose` chooses: lists of values by key, for each condition in
        ``each``; ``cost``, ``level``, ``race`` and ``at_most`` say how.
        """
        other = self._copy()
        other._of_table()
        how = ("cost", "level", "race", "at_most")
        made: dict[str, Any] = {k if k in how else _key(k): v for k, v in lists.items()}
        if each:
            made["each"] = {_key(k): list(v) for k, v in each.items()}
        other._table["space"] = made
        return other

    @property
    def toml(self) -> str:
        """The study as the text of a study file."""
        if self._text is not None:
            return self._text
        return _thalweg.toml_of(json.dumps(self._table, default=_plain, allow_nan=True))

    def __repr__(self) -> str:
        return f"<Study\n{self.toml.rstrip()}>"

    def _native(self, threads: int | None = None, engine: str = "cpu") -> _thalweg.Plan:
        if engine != "cpu":
            load_nvrtc()
        return _thalweg.Plan(self.toml, self._folder, self._data, self._weights, threads, engine)

    def plan(self, threads: int | None = None, engine: str = "cpu") -> Plan:
        """Every cell, checked; shown with what it costs and what theory expects of it. Nothing is kept.

        Raises :class:`StudyError` with the place of what is wrong.
        """
        from ._run import Plan

        return Plan(self._native(threads, engine))

    def run(
        self,
        folder: str | PathLike[str] | None = None,
        *,
        threads: int | None = None,
        engine: str = "cpu",
        executor: Executor | None = None,
        shards: int = 64,
        progress: Progress = True,
    ) -> Run:
        """Trains every cell and analyses it; in a folder, finished cells are kept and found again. The folder may be in
        an object store, as ``s3://bucket/run``, which fsspec opens.

        ``threads`` are all processors unless they are given. ``engine`` is ``"cpu"``, ``"gpu"`` for a graphics card with
        the same bits, or ``"auto"`` for the faster of the two. Ctrl-C stops within a second; the same call with a folder
        goes on from there. ``progress`` shows a line, or a bar in a notebook with ipywidgets; a function is called
        with the replicates that ended, all of them, and the seconds so far.

        An ``executor``, any of ``concurrent.futures`` or one that has such a ``submit``, trains the run in so many
        ``shards``, each on as many ``threads`` as are given, one by default; the result is that of one process, bit for
        bit. With a folder finished shards are kept (docs/more-machines.md).

        Raises :class:`StudyError` for what is wrong with the study, :class:`ThalwegError` where an engine, an executor or
        a damaged file ends the run, ``OSError`` for a folder that cannot be written.
        """
        from ._run import Run

        if executor is not None:
            threads = threads or 1
        if is_url(folder):
            # What is finished is copied shard by shard.
            with opened(str(folder)) as remote, ThreadPoolExecutor(1) as here:
                run = self._run_in(remote.local, threads, engine, executor or here, shards, progress, remote.put)
                remote.finish()
                return run
        if executor is not None:
            return self._run_in(folder, threads, engine, executor, shards, progress, lambda _: None)
        plan = self._native(threads, engine)
        with watching(progress) as tell:
            return Run(plan.run(folder, tell), plan)

    def _run_in(
        self,
        folder: str | PathLike[str] | None,
        threads: int | None,
        engine: str,
        executor: Executor,
        shards: int,
        progress: Progress,
        kept: Callable[[Path], None],
    ) -> Run:
        """Trains it by an executor, which is told of every file that the folder keeps on the way."""
        from ._run import Run

        if not isinstance(shards, int) or not 1 <= shards <= 1_000_000:
            raise StudyError(f"a run has 1 to 1000000 shards, not {shards!r}")
        if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
            raise StudyError(f"{executor!r} is no executor\n\nhint: `ProcessPoolExecutor(4)`, anything with `submit`")
        plan, here = self._native(threads, engine), self._native(None, engine)
        pieces: list[bytes] = []

        def keep(piece: bytes) -> None:
            if folder is None:
                pieces.append(piece)
            else:
                kept(plan.keep(folder, piece))

        if folder is not None:
            plan.begin(folder)
        with watching(progress) as tell:
            train_in(executor, plan, plan.shards(shards, folder), keep, tell)
            return Run(here.run(folder, None, pieces), here)

    def certify(
        self,
        share: float | None = None,
        *,
        level: float = 0.95,
        at_most: int = 100_000,
        fresh: bool = True,
        threads: int | None = None,
        engine: str = "cpu",
        progress: Progress = True,
    ) -> Certificate:
        """Whether the base cell succeeds on at least this ``share`` (0 to 1; that of the study unless it is given) of all
        draws, decided at this ``level`` by a sequential test of ``at_most`` so many replicates; what others check with
        ``thalweg verify``. ``fresh`` draws are not those of the study's own replicates.
        """
        study = self if share is None else self.set(**{"success.share": share})
        plan = study._native(threads, engine)
        with watching(progress) as tell:
            return Certificate(*plan.certify(level, at_most, fresh, tell))

    def choose(
        self, *, threads: int | None = None, engine: str = "cpu", progress: Progress = True, **space: Any
    ) -> list[dict[str, Any]]:
        """The cheapest setting of the study's space (or of this one, see :meth:`Study.space`) that can be certified: a dict for
        each condition, with all ``candidates``, the number of the ``winner`` among them, or none, and its certificate.

        Raises :class:`StudyError` where there is no space to choose from.
        """
        study = self.space(**space) if space else self
        plan = study._native(threads, engine)
        with watching(progress) as tell:
            return json.loads(plan.choose(tell))


def _are_weights(init: Any) -> bool:
    """Whether these are initial weights by their names, and not a law of them as ``{"weight_std": [1.5, 1.0]}``."""
    if not isinstance(init, Mapping) or not init or any(np.ndim(_numpy(value)) == 0 for value in init.values()):
        return False
    return len(init) > 1 or not _thalweg.is_init(json.dumps({k: np.asarray(_numpy(v)).tolist() for k, v in init.items()}))


class Certificate:
    """A decision about a share of success, with all that is needed to check it.

    ``data`` is what was decided and each outcome, ``text`` the file, ``sentences`` the decision in words.
    """

    def __init__(self, data: str, text: str, sentences: list[str]) -> None:
        self.data: dict[str, Any] = json.loads(data)
        self.text = text
        self.sentences = sentences

    @property
    def decision(self) -> str:
        """``yes``, ``no`` or ``undecided``."""
        return self.data["decision"]

    def save(self, path: str | PathLike[str]) -> None:
        """Writes it, for ``thalweg verify``."""
        Path(path).write_text(self.text, encoding="utf-8")

    def __repr__(self) -> str:
        return "\n".join(self.sentences)


def train(
    x: Any, y: Any, *, threads: int | None = None, engine: str = "cpu", progress: Progress = True, **settings: Any
) -> Run:
    """Trains networks on one training set of your own, x [N, d] and y [N] or [N, k], or on a stack of them,
    x [R, N, d] and y [R, N] or [R, N, k], a network each.

    ``init`` are initial weights with the names and shapes of a ``state_dict`` for all, or a stack of them with one more
    axis, as ``torch.func.stack_module_state`` gives it. On one set, ``replicates`` networks are trained (400 unless it is
    given) or as many as there are initial weights. Results as arrays: ``run.cell(0).final_loss``, ``hitting_times``,
    ``weights``.

    Raises :class:`StudyError` where shapes do not fit.
    """
    stacks = [len(_numpy(x))] if np.ndim(_numpy(x)) == 3 else []
    if _are_weights(init := settings.get("init")):
        stacks += [len(value) for value in map(_numpy, init.values()) if np.ndim(value) == 3][:1]
    if len(set(stacks)) > 1:
        raise StudyError(f"there are {stacks[0]} training sets and {stacks[1]} networks\n\nhint: as many of both")
    if stacks and "replicates" not in settings:
        settings["replicates"] = min(stacks)
    return Study(x=x, y=y, **settings).run(threads=threads, engine=engine, progress=progress)
