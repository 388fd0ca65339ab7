"""What strategies may know of a learner: its predictions, a committee of it, and the labels it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nextlabel.server.domain.learning.types.task_learner import AnyTaskLearner
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.strategies import Annotations, LinearHead, NearestLabeled, Need, SelectionContext, Strategy

COMMITTEE_MEMBERS = 5


def selection_context(
    strategy: Strategy,
    learner: AnyTaskLearner,
    model: TrainedModel | None,
    training: Any,
    seed: int,
    *,
    annotations: Annotations | None = None,
    nearest: NearestLabeled | None = None,
) -> SelectionContext:
    """Return the context of one selection; trains a committee if the strategy needs one and there is a model.

    ``model`` and ``training`` are of the learner.
    """
    committee: Sequence[LinearHead] = ()
    if model is not None and Need.COMMITTEE in strategy.needs:
        committee = learner.committee(training, model, COMMITTEE_MEMBERS, seed)
    return SelectionContext(
        predictor=None if model is None else learner.predictor(model),
        committee=committee,
        labeled=learner.labeled_set(training),
        annotations=annotations,
        nearest=nearest,
        pairs=learner.compares_pairs,
        seed=seed,
    )
