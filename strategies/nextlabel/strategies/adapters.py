"""Query strategies of modAL and scikit-activeml as pickers on a shortlist.

Neither library is imported unless its adapter is used. Both get the shortlist as one float32 matrix and
this selection's predictor dressed as their classifier; what they return is checked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Array, Floats, Rows, to_numpy
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import LabeledSet, Need, SelectionContext
from nextlabel.strategies.errors import SelectionError
from nextlabel.strategies.heads import Predictor
from nextlabel.strategies.pickers.distances import all_embeddings


@dataclass(frozen=True, slots=True)
class ModalPicker:
    """A modAL query strategy: any ``query(estimator, X, n_instances=k, **options)``.

    The estimator given to it has the interface of modAL's ActiveLearner, or of its Committee when the
    strategy is declared to need one.

    Attributes:
        query: the strategy, for example ``modAL.batch.uncertainty_batch_sampling``.
        committee: give it the committee instead of the predictor.
        options: further keyword arguments.
    """

    query: Callable[..., Any]
    committee: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities or a committee, embeddings and labels."""
        voters = Need.COMMITTEE if self.committee else Need.PROBABILITIES
        return frozenset({voters, Need.EMBEDDINGS, Need.LABELED})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Let modAL's function choose."""
        estimator = ModalCommittee(context) if self.committee else ModalStandIn(context, context.require_predictor())
        answer = self.query(estimator, all_embeddings(candidates).astype(np.float32), n_instances=k, **self.options)
        positions = answer[0] if isinstance(answer, tuple) else answer
        return Picks(checked(positions, len(candidates), k, "modAL"))


@dataclass(frozen=True, slots=True)
class SkactivemlPicker:
    """A scikit-activeml pool strategy: any object with ``query(X, y, candidates=…, batch_size=…)``.

    Of ``clf``, ``estimator``, ``ensemble``, ``fit_clf``, ``fit_estimator`` and ``fit_ensemble`` it gets those
    that its ``query`` takes; ``options`` supplies anything else.

    Attributes:
        strategy: the strategy, for example ``skactiveml.pool.Falcun(random_state=0)``.
        needed: inputs it needs; embeddings and labels by default.
        options: further keyword arguments of ``query``.
    """

    strategy: Any
    needed: frozenset[Need] = frozenset({Need.PROBABILITIES, Need.EMBEDDINGS, Need.LABELED})
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> frozenset[Need]:
        """The declared needs."""
        return self.needed

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Let scikit-activeml choose among the candidates."""
        unlabeled = all_embeddings(candidates).astype(np.float32)
        labeled = context.labeled or LabeledSet(unlabeled[:0], np.empty(0, np.int64))
        X = np.concatenate([np.asarray(labeled.embeddings_LD, np.float32).reshape(-1, unlabeled.shape[1]), unlabeled])
        y = np.concatenate([labeled.classes_L.astype(np.float64), np.full(len(candidates), np.nan)])
        accepted = inspect.signature(self.strategy.query).parameters
        offered = {name: make(context) for name, make in OFFERED.items() if name in accepted}
        rows = np.arange(len(labeled), len(X))
        arguments = {"X": X, "y": y, "candidates": rows, "batch_size": k, **offered, **self.options}
        answer = self.strategy.query(**arguments)
        return Picks(checked(np.asarray(answer) - len(labeled), len(candidates), k, "scikit-activeml"))


class ModalStandIn:
    """The part of modAL's ActiveLearner that its query strategies use."""

    on_transformed = False

    def __init__(self, context: SelectionContext, predictor: Predictor) -> None:
        self.X_training = context.labeled_embeddings
        self.classes_ = np.arange(predictor.n_classes)
        self._predictor = predictor

    def predict_proba(self, X: Floats, **_: Any) -> Array:
        """Return class probabilities (n, C)."""
        return to_numpy(self._predictor.predict_proba(X))

    def predict(self, X: Floats, **_: Any) -> Rows:
        """Return class indices (n,)."""
        return np.asarray(self.predict_proba(X).argmax(axis=1), np.int64)

    def transform_without_estimating(self, X: Floats) -> Floats:
        """Return X: embeddings are features already."""
        return X


class ModalCommittee:
    """The part of modAL's Committee that its query strategies use."""

    on_transformed = False

    def __init__(self, context: SelectionContext) -> None:
        self.X_training = context.labeled_embeddings
        self.classes_ = np.arange(context.committee[0].n_classes)
        self._members = [ModalStandIn(context, head) for head in context.committee]

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[ModalStandIn]:
        return iter(self._members)

    def vote_proba(self, X: Floats, **_: Any) -> Array:
        """Return the members' probabilities (n, T, C)."""
        return np.stack([member.predict_proba(X) for member in self._members], axis=1)

    def vote(self, X: Floats, **_: Any) -> Rows:
        """Return the members' classes (n, T)."""
        return np.asarray(self.vote_proba(X).argmax(axis=2), np.int64)

    def predict_proba(self, X: Floats, **_: Any) -> Array:
        """Return the consensus (n, C)."""
        return self.vote_proba(X).mean(axis=1)


def checked(positions: Any, n_candidates: int, k: int, library: str) -> Rows:
    """Return the answer as ``k`` different positions below ``n_candidates``, or raise SelectionError."""
    found = np.asarray(positions, np.int64).ravel()
    if len(found) != k or len(np.unique(found)) != k or found.min() < 0 or found.max() >= n_candidates:
        raise SelectionError(
            f"{library}: answered {found[:10].tolist()}…; must be {k} different positions below {n_candidates}"
        )
    return found


def _classifier(context: SelectionContext) -> Any:
    return _wrapped(context.require_predictor(), context)


def _ensemble(context: SelectionContext) -> Any:
    return [_wrapped(head, context) for head in context.committee] or None


def _refit(context: SelectionContext) -> bool:
    return False


OFFERED: dict[str, Callable[[SelectionContext], Any]] = {
    "clf": _classifier,
    "estimator": _classifier,
    "ensemble": _ensemble,
    "fit_clf": _refit,
    "fit_estimator": _refit,
    "fit_ensemble": _refit,
}


def _wrapped(predictor: Predictor, context: SelectionContext) -> Any:
    from skactiveml.classifier import SklearnClassifier

    from nextlabel.strategies.fitted_classifier import FittedClassifier

    n_classes, dimension = predictor.n_classes, context.labeled_embeddings.shape[1]
    wrapped = SklearnClassifier(FittedClassifier(predictor), classes=list(range(n_classes)))
    return wrapped.fit(np.zeros((n_classes, dimension)), np.arange(n_classes))
