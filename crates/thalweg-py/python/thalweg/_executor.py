"""A run in shards, trained by an executor on whatever machines it reaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from typing import Any, Protocol

from . import _thalweg
from ._cuda import load_nvrtc
from ._progress import Tell
from ._thalweg import NoTheoryError, StudyError, ThalwegError

Span = tuple[int, int, int]

#: How often a shard is handed out again whose worker was lost.
RETRIES = 2

#: Seconds between two looks at what is done.
POLL = 0.02


class Executor(Protocol):
    """What trains shards: any ``concurrent.futures.Executor``, or what has such a ``submit``. Nothing inherits from it."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Begins ``function(*arguments)``, both of which can be pickled, and gives something with ``done()``,
        ``result()`` and ``cancel()``, as a ``Future`` has.
        """


def _shard(plan: _thalweg.Plan, spans: list[Span]) -> list[bytes]:
    """What a worker does."""
    if plan.engine != "cpu":
        load_nvrtc()
    return plan.train(spans)


class _Given:
    """A shard on its way."""

    def __init__(self, executor: Executor, plan: _thalweg.Plan, spans: list[Span]) -> None:
        self.spans = spans
        self.tries = 0
        self._submit = lambda: executor.submit(_shard, plan, spans)
        self.future = self._submit()

    def pieces(self) -> list[bytes] | None:
        """Its pieces, once it is done; none as long as it is not."""
        if not self.future.done():
            return None
        try:
            pieces = self.future.result()
            if not isinstance(pieces, list) or not all(isinstance(piece, bytes) for piece in pieces):
                raise ThalwegError(f"the executor gave {type(pieces).__name__} for what a shard returns, a list of bytes")
            return pieces
        except (StudyError, NoTheoryError, ThalwegError, BrokenExecutor):
            raise
        except Exception:
            # Any scheduler has an error of its own for a worker that was lost. A shard can be trained again: it is pure.
            if self.tries == RETRIES:
                raise
            self.tries += 1
            self.future = self._submit()
            return None


def train(
    executor: Executor,
    plan: _thalweg.Plan,
    shards: list[list[Span]],
    keep: Callable[[bytes], None],
    tell: Tell | None,
) -> None:
    """Trains these shards; pieces are kept as they come, in any order."""
    begun = time.monotonic()
    size = {i: sum(until - first for _, first, until in spans) for i, spans in enumerate(shards)}
    done, waiting = 0, {}
    try:
        for i, spans in enumerate(shards):
            if spans:
                waiting[i] = _Given(executor, plan, spans)
        while waiting:
            for i, given in list(waiting.items()):
                pieces = given.pieces()
                if pieces is not None:
                    del waiting[i]
                    for piece in pieces:
                        keep(piece)
                    done += size[i]
            if tell is not None:
                tell(done, sum(size.values()), time.monotonic() - begun)
            if waiting:
                time.sleep(POLL)
    except BrokenExecutor as error:
        raise ThalwegError(
            f"the executor lost its workers ({error})\n\n"
            "hint: with a folder, what is finished is kept: the same call with a new executor goes on"
        ) from error
    finally:
        # Before anything is raised, what others have finished is kept.
        for given in waiting.values():
            given.future.cancel()
            if given.future.done():
                try:
                    pieces = given.future.result()
                except BaseException:
                    continue
                for piece in pieces if isinstance(pieces, list) else []:
                    keep(piece)
