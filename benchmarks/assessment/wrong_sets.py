"""How well sets of classes with a wrong class are told from right ones."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.assessment.report import markdown
from benchmarks.learners.multi_label_sets import load_multi_label_set
from nextlabel.server.domain.learning.training_labels.doubts_by_type import judge_sets
from nextlabel.server.learners.multi_label.training import MultiLabelTraining

WRONG = 0.2
SETS = ("domains8", "intents28")
_KEPT = Path(tempfile.gettempdir()) / "nextlabel-multi-label"


def table(data: Path, _sims: int) -> str:
    """Return the area under the ROC curve on sets of which a fifth has one class too many or too few."""
    rows = [(name, *_measured(name, data)) for name in SETS]
    columns = ("set", "items", "classes", "AUROC", "precision of suspects", "found")
    shown: str = markdown(f"Sets of classes, {WRONG:.0%} of them with one class wrong", columns, rows)
    return shown


def _measured(name: str, data: Path) -> tuple[object, ...]:
    _KEPT.mkdir(exist_ok=True)
    found = load_multi_label_set(name, data, _KEPT)
    rng = np.random.default_rng(0)
    targets_NC, items = found.train_NC.astype(np.float32), len(found.train_NC)
    wrong_N = rng.random(items) < WRONG
    for row in np.flatnonzero(wrong_N):
        place = rng.integers(len(found.classes))
        targets_NC[row, place] = 1 - targets_NC[row, place]
    embeddings_ND = found.train_ND.astype(np.float32)
    training = MultiLabelTraining(embeddings_ND, targets_NC, np.zeros(items, np.bool_), found.classes)
    judged = judge_sets(embeddings_ND, training, np.ones(items, np.bool_), np.arange(items))
    assert judged is not None
    suspects_N = judged.wrong_n > 0.5
    return (
        items,
        len(found.classes),
        float(roc_auc_score(wrong_N, judged.wrong_n)),
        float(wrong_N[suspects_N].mean()),
        float(suspects_N[wrong_N].mean()),
    )
