"""How well wrong labels are told from right ones, cleanlab's confident learning beside it where it is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from benchmarks.assessment.report import markdown
from benchmarks.learners.labeled_sets import load_set
from nextlabel.server.assessment.suspects import joined, neighbour_shares, wrong_probabilities
from nextlabel.server.learners.out_of_fold import out_of_fold

WRONG = 0.2
SETS = (("clinc10", 1_000), ("snips", 1_000), ("clinc10", 10_000))


def table(data: Path, _sims: int) -> str:
    """Return the area under the ROC curve on sets with a fifth of labels replaced by any other class."""
    rows = [(name, size, *_measured(data / name, size)) for name, size in SETS]
    columns = (
        "set",
        "labels",
        "joined",
        "learner alone",
        "neighbours alone",
        "cleanlab",
        "precision of suspects",
        "found",
    )
    shown: str = markdown(f"Wrong labels told from right ones, {WRONG:.0%} of them wrong: AUROC", columns, rows)
    return shown


def _measured(folder: Path, size: int) -> tuple[object, ...]:
    labeled = load_set(folder, folder)
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(labeled.train_labels_N))[:size]
    embeddings, true, classes = labeled.train_embeddings_ND[rows], labeled.train_labels_N[rows], len(labeled.classes)
    wrong = rng.random(len(rows)) < WRONG
    labels = np.where(wrong, (true + rng.integers(1, classes, len(rows))) % classes, true)
    learner, near = out_of_fold(embeddings, labels, classes), neighbour_shares(embeddings, labels, classes)
    here = np.arange(len(rows))
    found = wrong_probabilities(joined(learner, near), labels, np.zeros(len(rows), np.int64))
    suspects = found > 0.5
    return (
        float(roc_auc_score(wrong, found)),
        float(roc_auc_score(wrong, -learner[here, labels])),
        float(roc_auc_score(wrong, -near[here, labels])),
        _cleanlab(labels, learner, wrong),
        float(wrong[suspects].mean()),
        float(suspects[wrong].mean()),
    )


def _cleanlab(labels: npt.NDArray[np.int64], learner: npt.NDArray[np.float32], wrong: npt.NDArray[np.bool_]) -> object:
    if importlib.util.find_spec("cleanlab") is None:
        return "not installed"
    from cleanlab.rank import get_label_quality_scores

    return float(roc_auc_score(wrong, -get_label_quality_scores(labels, learner)))
