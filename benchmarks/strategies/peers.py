"""Query strategies of other packages, where these are installed: ``pip install scikit-activeml small-text``.

Both choose among the whole pool and see the same learner as the strategies of the project.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from nextlabel.strategies import Candidates, Need, Picks, Predictor, ScoreAndPick, SelectionContext, Strategy
from nextlabel.strategies.adapters import SkactivemlPicker
from nextlabel.strategies.pickers.distances import all_embeddings


def peer(name: str, seed: int) -> Strategy:
    """The strategy ``PACKAGE:CLASS``, such as ``skactiveml:Falcun`` or ``small_text:ContrastiveActiveLearning``."""
    package, _, kind = name.partition(":")
    if package == "skactiveml":
        return ScoreAndPick(name, SkactivemlPicker(getattr(import_module("skactiveml.pool"), kind)(random_state=seed)))
    return ScoreAndPick(name, SmallTextPicker(getattr(import_module("small_text"), kind)()))


@dataclass(frozen=True, slots=True)
class SmallTextPicker:
    """A query strategy of small-text, which draws from NumPy's global generator."""

    strategy: Any
    needs: frozenset[Need] = frozenset({Need.PROBABILITIES, Need.EMBEDDINGS, Need.LABELED})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Let small-text choose; labeled items stand before the candidates."""
        labeled = context.require_labeled()
        rows_ND = np.concatenate([labeled.embeddings_LD, all_embeddings(candidates).astype(np.float32)])
        known, unknown = np.arange(len(labeled)), np.arange(len(labeled), len(rows_ND))
        np.random.seed(context.seed % 2**32)  # noqa: NPY002
        learner = _Learner(context.require_predictor())
        picked = self.strategy.query(learner, _Rows(rows_ND), unknown, known, labeled.classes_L, n=k)
        return Picks(np.asarray(picked, np.int64) - len(labeled))


@dataclass(frozen=True, slots=True)
class _Learner:
    predictor: Predictor

    def predict_proba(self, rows: _Rows) -> np.ndarray:
        return np.asarray(self.predictor.predict_proba(rows.x))

    def embed(self, rows: _Rows, **_: object) -> tuple[np.ndarray, np.ndarray]:
        return rows.x, self.predict_proba(rows)


@dataclass(frozen=True, slots=True)
class _Rows:
    """As much of a small-text dataset as its strategies read."""

    x: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, places: Any) -> _Rows:
        return _Rows(self.x[places])
