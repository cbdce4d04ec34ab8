"""A laboratory for gradient descent on small networks.

>>> import thalweg as tw
>>> study = tw.Study(points=4, dim=3, hidden=[8], rate=tw.of_limit(0.5), replicates=20)
>>> run = study.run(progress=False)
>>> run.success
1.0

A :class:`Study` says what to train, ``run`` trains it and gives a :class:`Run`: its answer, tables, figures, and
every replicate with its cause. Settings have the names of a study file (``docs/study-file.md``), and are checked there.
"""

from ._run import Cell, Figure, Plan, Prices, Replicate, Run, Table
from ._study import Study, of_limit, train
from ._thalweg import NoTheoryError, StudyError, ThalwegError
from .theory import empirical_ntk, hessian_spectrum, max_learning_rate, nngp, ntk, phase, predict

__all__ = [
    "Cell",
    "Figure",
    "NoTheoryError",
    "Plan",
    "Prices",
    "Replicate",
    "Run",
    "Study",
    "StudyError",
    "Table",
    "ThalwegError",
    "empirical_ntk",
    "hessian_spectrum",
    "max_learning_rate",
    "nngp",
    "ntk",
    "of_limit",
    "phase",
    "predict",
    "train",
]
