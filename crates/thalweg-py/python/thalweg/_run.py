"""Plans and runs as they are shown and asked."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from . import _thalweg
from ._thalweg import StudyError


class Table:
    """A table of a run by the Arrow PyCapsule interface: ``polars.DataFrame(table)``, ``pyarrow.table(table)``,
    ``pandas.DataFrame.from_arrow(table)``, and DuckDB where pyarrow is installed. Its columns: docs/tables.md.
    """

    def __init__(self, native: _thalweg.Table, name: str) -> None:
        self._native = native
        self._name = name

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._native.__arrow_c_stream__(requested_schema)

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return self._native.columns

    def __len__(self) -> int:
        return len(self._native)

    def polars(self) -> Any:
        """As a ``DataFrame`` of polars, which is needed."""
        import polars

        return polars.DataFrame(self)

    def pandas(self) -> Any:
        """As a ``DataFrame`` of pandas, which is needed from 3.0 on, and pyarrow."""
        import pandas

        return pandas.DataFrame.from_arrow(self)

    def arrow(self) -> Any:
        """As a ``Table`` of pyarrow, which is needed."""
        import pyarrow

        return pyarrow.table(self)

    def __repr__(self) -> str:
        return f"<Table {self._name}: {len(self)} rows, {len(self.columns)} columns>"


class Figure:
    """A figure of a run: SVG in a notebook.

    It has a ``name``, a ``caption``, the picture as text (``svg``), and its numbers in ``words`` for those who do not see
    it.
    """

    def __init__(self, name: str, caption: str, svg: str, words: str) -> None:
        self.name = name
        self.caption = caption
        self.svg = svg
        self.words = words

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | PathLike[str]) -> None:
        """Writes it as SVG."""
        Path(path).write_text(self.svg, encoding="utf-8")

    def __repr__(self) -> str:
        return f"<Figure {self.name}: {self.words}>"


class Figures:
    """The figures of a run: ``run.plot["answer"]``, ``run.plot.loss()``, ``run.plot.survival(by="dim")``.

    A name that it has not is a :class:`StudyError` with those it has.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def names(self) -> list[str]:
        """The names of what there is, in the order of the page."""
        return [name for name, _ in self._run._native.figures]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, name: str) -> Figure:
        svg, words = self._run._native.figure(name)
        caption = dict(self._run._native.figures)[name]
        return Figure(name, caption, svg, words)

    def answer(self) -> Figure:
        """The picture of the answer."""
        return self["answer"]

    def loss(self, cell: int = 0, *, ax: Any = None) -> Any:
        """Median loss against the step, with the band of the middle 80 % of the replicates of a cell: the
        :class:`Figure` of the page, or matplotlib's axes for another cell or where axes ``ax`` are given.
        """
        if ax is None and cell == 0 and "loss" in self.names:
            return self["loss"]
        ax = _axes(ax)
        loss = self._run.cell(cell).summary["loss"]
        steps = np.asarray(loss["steps"], dtype=float)
        low, mid, high = (np.array([np.inf if v is None else v for v in loss[q]]) for q in ("q10", "median", "q90"))
        (line,) = ax.plot(np.maximum(steps, 1), mid, label=self._run.names[cell])
        ax.fill_between(np.maximum(steps, 1), low, high, alpha=0.2, color=line.get_color(), linewidth=0)
        ax.set(xscale="log", yscale="log", xlabel="step", ylabel="loss")
        return ax

    def survival(self, by: str | None = None, *, ax: Any = None) -> Any:
        """Share of runs not yet there against the step, over the comparison that varies ``by`` (a key, or its name; the
        first one if none is given): the :class:`Figure` of the page, or matplotlib's axes ``ax`` if they are given.
        """
        compared = self._run._compared(by)
        if ax is None:
            name = next((n for n in self.names if n.endswith("-survival") and compared in (None, n[:-9])), None)
            if name is not None:
                return self[name]
        ax = _axes(ax)
        cells = self._run._members(by) or [0]
        for cell in cells:
            points = np.array(self._run.cell(cell).summary["survival"], dtype=float)
            ax.step(np.maximum(points[:, 0], 1), points[:, 1], where="post", label=self._run.names[cell])
        ax.set(xscale="log", xlabel="step", ylabel="share not yet there", ylim=(0, 1))
        ax.legend()
        return ax

    def __repr__(self) -> str:
        return f"<Figures {', '.join(self.names)}>"


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


class Prices(list[dict[str, Any]]):
    """What the cells of a plan cost: a dict each, with the ``estimate`` in seconds, ``memory`` in bytes,
    ``predicted_median`` in steps and ``predicted_success`` from 0 to 1 where theory speaks, else none; and the same in
    ``sentences``.
    """

    def __init__(self, prices: list[dict[str, Any]], sentences: list[str]) -> None:
        super().__init__(prices)
        self.sentences = sentences

    def __repr__(self) -> str:
        return "\n".join(self.sentences)


class Plan:
    """Every cell of a study, checked; its length is their number."""

    def __init__(self, native: _thalweg.Plan) -> None:
        self._native = native

    @property
    def cells(self) -> list[dict[str, Any]]:
        """A dict for every cell: its ``number``, ``label``, ``hash`` and ``setting``; the base cell is the first."""
        return json.loads(self._native.cells)

    @property
    def names(self) -> list[str]:
        """The name of every cell."""
        return self._native.names

    def __len__(self) -> int:
        return len(self._native.names)

    def price(self, draws: int = 20) -> Prices:
        """Trains every cell for a short while and says what the study will take, and what theory expects of it, by the
        kernels of its first ``draws`` replicates.
        """
        prices, sentences = self._native.price(draws)
        return Prices(json.loads(prices), sentences)

    def __repr__(self) -> str:
        prices = self.price()
        lines = [*prices.sentences, ""]
        rows = [("cell", "about", "replicates", "predicted median", "predicted success")]
        for name, price in zip(self.names, prices, strict=True):
            median, share = price["predicted_median"], price["predicted_success"]
            rows.append(
                (
                    name,
                    f"{price['estimate']:.1f} s",
                    str(price["replicates"]),
                    "–" if share is None else "never" if median is None else f"{median:.0f}",
                    "–" if share is None else f"{100 * share:.0f} %",
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines += ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join(lines)


class Run:
    """What a study found: its answer, tables, figures and cells. In a notebook, the answer and its picture."""

    def __init__(self, native: _thalweg.Run, plan: _thalweg.Plan) -> None:
        self._native = native
        self._plan = plan
        self._analysis: dict[str, Any] | None = None

    @property
    def answer(self) -> list[str]:
        """The answer in sentences: the first is that to the question of the study."""
        return self._native.answer

    @property
    def analysis(self) -> dict[str, Any]:
        """Every number and judgement, as dicts and lists."""
        if self._analysis is None:
            self._analysis = json.loads(self._native.analysis)
        return self._analysis

    @property
    def names(self) -> list[str]:
        """The name of every cell, by number."""
        return self._plan.names

    @property
    def success(self) -> float:
        """Share of the replicates of the base cell that succeed, 0 to 1."""
        return self.cell(0).success

    @property
    def replicates(self) -> Table:
        """A row a replicate: how it ended, after how many steps, with which loss, and why."""
        return Table(self._native.table("replicates"), "replicates")

    @property
    def cells(self) -> Table:
        """A row a cell: its share of successes and its steps, with their intervals."""
        return Table(self._native.table("cells"), "cells")

    @property
    def curves(self) -> Table:
        """A row a loss that was kept, of the replicates of ``keep`` in the study."""
        return Table(self._native.table("curves"), "curves")

    @property
    def looks(self) -> Table:
        """A row a look: what was measured on the way, of the replicates of ``look`` in the study."""
        return Table(self._native.table("looks"), "looks")

    @property
    def plot(self) -> Figures:
        """The figures of the page, by name."""
        return Figures(self)

    @property
    def html(self) -> str:
        """The page, one file of HTML that needs no network."""
        return self._native.html

    def save(self, folder: str | PathLike[str]) -> None:
        """Writes a run folder, as ``thalweg run`` does; ``OSError`` if it cannot be written."""
        self._native.save(folder)

    def cell(self, number: int | None = None, **settings: Any) -> Cell:
        """A cell by its number, or the one with these settings that is nearest to the base cell; the base cell without
        either. A :class:`StudyError` names those there are if none is meant.
        """
        if number is None:
            number = self._find(settings)
        return Cell(self, number)

    def _find(self, settings: dict[str, Any]) -> int:
        from ._study import _key

        wanted = {_key(name): json.loads(json.dumps(value)) for name, value in settings.items()}
        cells = json.loads(self._plan.cells)

        def of(setting: Any, key: str) -> Any:
            for part in key.split("."):
                setting = setting.get(part) if isinstance(setting, dict) else None
            return setting

        matching = [c for c in cells if all(of(c["setting"], key) == value for key, value in wanted.items())]
        if not matching:
            raise StudyError(f"no cell has {settings}\n\nhint: cells are {', '.join(self.names)}")

        def changed(cell: dict[str, Any]) -> int:
            return len([part for part in cell["label"].split(",") if part.strip()])

        # The nearest to the base cell: what is not asked for is as it is there.
        return min(matching, key=lambda c: (changed(c), c["number"]))["number"]

    def _comparison(self, by: str | None) -> dict[str, Any] | None:
        from ._study import _key

        all_ = json.loads(self._plan.json)["comparisons"]
        if by is None:
            return all_[0] if all_ else None
        found = [c for c in all_ if by == c["name"] or _key(by) in c["keys"]]
        if not found:
            raise StudyError(f"no comparison varies `{by}`")
        return found[0]

    def _compared(self, by: str | None) -> str | None:
        """The stem of the files of a comparison."""
        compared = self._comparison(by)
        return None if compared is None else _thalweg.stem(compared["name"])

    def _members(self, by: str | None) -> list[int]:
        compared = self._comparison(by)
        return [] if compared is None else [member["cell"] for member in compared["members"]]

    def __repr__(self) -> str:
        return "\n".join(self.answer[:4])

    def _repr_html_(self) -> str:
        first, *rest = (html.escape(sentence) for sentence in self.answer[:4])
        names = self.plot.names
        figure = self.plot[names[0]].svg if names else ""
        lines = "".join(f"<div>{line}</div>" for line in rest)
        return f'<div style="max-width:46em"><strong>{first}</strong>{lines}{figure}</div>'


class Cell:
    """A cell of a run: one setting, on many random draws.

    It has a ``number``, and a ``summary``: all that the analysis says of it, as plain data.
    """

    def __init__(self, run: Run, number: int) -> None:
        self._run = run
        self.number = number
        all_ = run.analysis["cells"]
        if not 0 <= number < len(all_):
            raise StudyError(f"there is no cell {number}\n\nhint: cells are 0 to {len(all_) - 1}")
        self.summary: dict[str, Any] = all_[number]

    @property
    def name(self) -> str:
        """What tells it from the base cell, as ``d = 2``."""
        return self._run.names[self.number]

    @property
    def setting(self) -> dict[str, Any]:
        """Its setting, with every default, as tables of a study file."""
        return self.summary["setting"]

    @property
    def success(self) -> float:
        """Share of its replicates that succeed, 0 to 1."""
        return self.summary["share"]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the probability of success."""
        success = self.summary["success"]
        return success["low"], success["high"]

    @property
    def median_steps(self) -> int | None:
        """The step at which half of its replicates are there; none beyond the budget."""
        return self.summary["steps"]["median"]["step"]

    @property
    def hitting_times(self) -> np.ndarray:
        """The first step below the loss of each replicate [R], NaN where it was not reached; of the first 100 000."""
        return self._run._native.ends(self.number)[0]

    @property
    def final_loss(self) -> np.ndarray:
        """The loss at the end of each replicate [R], on its whole training set; of the first 100 000."""
        return self._run._native.ends(self.number)[1]

    @property
    def rate(self) -> np.ndarray:
        """The learning rate of each replicate [R] at the start; of the first 100 000."""
        return self._run._native.ends(self.number)[2]

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The weights at the end of all replicates, stacked [R, …], by the names of ``nn.Sequential``: all are trained
        again, to the same bits. ``torch.func.functional_call`` under ``torch.vmap`` takes them.
        """
        return self._run._native.stacked_weights(self.number)

    def replicate(self, number: int) -> Replicate:
        """One of its replicates, counted from 0; a :class:`StudyError` if there is none, or if it has no row."""
        return Replicate(self._run, self.number, number)

    def __repr__(self) -> str:
        low, high = self.interval
        steps = self.median_steps
        median = f"median {steps} steps" if steps is not None else "not by half"
        return f"<Cell {self.number} ({self.name}): {100 * self.success:.1f} % ({100 * low:.1f}–{100 * high:.1f} %), {median}>"


class Replicate:
    """One training run.

    It has a ``number``, and a ``row``: its outcome, steps, rate and losses as a dict.
    """

    def __init__(self, run: Run, cell: int, number: int) -> None:
        self._run = run
        self._cell = cell
        self.number = number
        self.row: dict[str, Any] = json.loads(run._native.row(cell, number))
        self._data: tuple[np.ndarray, np.ndarray] | None = None

    def _set(self) -> tuple[np.ndarray, np.ndarray]:
        if self._data is None:
            self._data = self._run._plan.data(self._cell, self.number)
        return self._data

    @property
    def x(self) -> np.ndarray:
        """Its training inputs [N, d]."""
        return self._set()[0]

    @property
    def y(self) -> np.ndarray:
        """Its targets [N], or [N, k] for several outputs."""
        y = self._set()[1]
        return y[:, 0] if y.shape[1] == 1 else y

    @property
    def initial_weights(self) -> dict[str, np.ndarray]:
        """Its weights before the first step, by the names of ``nn.Sequential``: ``0.weight`` [n, d], ``0.bias`` [n],
        ``2.weight``, …, in double precision.
        """
        return self._run._plan.initial_weights(self._cell, self.number)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Its weights at the end, by the same names: it is trained again, to the same bits."""
        return self._run._native.weights(self._cell, self.number)

    @property
    def losses(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Steps [T] and losses [T] that were kept; none if none were (``keep`` in the study)."""
        return self._run._native.losses(self._cell, self.number)

    def explain(self) -> Explanation:
        """Why it ended as it did: it is trained again and looked at, and what would have helped is tried."""
        data, sentences = self._run._native.explain(self._cell, self.number)
        return Explanation(json.loads(data), sentences)

    def state_dict(self) -> dict[str, Any]:
        """Its weights at the end as PyTorch's ``state_dict``, in the precision it was trained in; needs PyTorch."""
        from .torch import state_dict

        return state_dict(self.weights, self._run.cell(self._cell).setting)

    def module(self) -> Any:
        """Its network as a ``torch.nn.Sequential`` with its weights at the end; needs PyTorch."""
        from .torch import module

        return module(self.weights, self._run.cell(self._cell).setting)

    def __repr__(self) -> str:
        outcome = self.row["outcome"]
        return f"<Replicate {self.number} of cell {self._cell}: {outcome}, loss {self.row['final_loss']:.3g}>"


class Explanation:
    """Why a replicate ended as it did: all evidence as plain ``data``, and in ``sentences``."""

    def __init__(self, data: dict[str, Any], sentences: list[str]) -> None:
        self.data = data
        self.sentences = sentences

    @property
    def cause(self) -> Any:
        """The cause: its word (docs/verdicts.md), or a dict of its word with the numbers that show it."""
        return self.data["cause"]

    def __repr__(self) -> str:
        return "\n".join(f"- {sentence}" for sentence in self.sentences)
