"""What strategies may know of a learner: its predictions, a committee of it, and the labels it has."""

from __future__ import annotations

from typing import cast

from nextlabel.server.learners.committee import train_committee
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.training import TrainingSet
from nextlabel.strategies import (
    Annotations,
    LabeledSet,
    LinearHead,
    NearestLabeled,
    Need,
    Predictor,
    SelectionContext,
    Strategy,
)

COMMITTEE_MEMBERS = 5


def selection_context(
    strategy: Strategy,
    model: Model | None,
    training: TrainingSet,
    seed: int,
    *,
    annotations: Annotations | None = None,
    nearest: NearestLabeled | None = None,
) -> SelectionContext:
    """Return the context of one selection; trains a committee if the strategy needs one and there is a model."""
    committee: tuple[LinearHead, ...] = ()
    if model is not None and Need.COMMITTEE in strategy.needs:
        heads = train_committee(training, model, COMMITTEE_MEMBERS, seed)
        committee = tuple(LinearHead(head.coef_CD, head.intercept_C) for head in heads)
    return SelectionContext(
        predictor=None if model is None else predictor_of(model),
        committee=committee,
        labeled=LabeledSet(training.embeddings_ND, training.labels_N),
        annotations=annotations,
        nearest=nearest,
        seed=seed,
    )


def predictor_of(model: Model) -> Predictor:
    """Return a model as strategies see it."""
    head = model.linear
    if head is None:
        return cast("Predictor", model)  # of a model without a linear form the members are the same
    return LinearHead(head.coef_CD, head.intercept_C)
