"""What strategies may know of a learner: its predictions, a committee of it, and the labels it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.learning.types.task_learner import AnyTaskLearner
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.strategies import Annotations, LabeledSet, LinearHead, NearestLabeled, Need, SelectionContext, Strategy
from nextlabel.strategies.heads import predictor_logits

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


def believing(context: SelectionContext, asked_BD: npt.NDArray[np.float32]) -> SelectionContext:
    """Return what strategies may know when B items are being asked: these are labeled as the learner predicts.

    So a batch that is chosen meanwhile looks elsewhere (the kriging believer of Ginsbourger, Le Riche and Carraro 2010,
    "Kriging is well-suited to parallelize optimization"). The learner is the same; without one nothing is believed.
    """
    predictor, labeled = context.predictor, context.labeled
    if predictor is None or labeled is None or not len(asked_BD):
        return context
    logits_CB = np.asarray(predictor_logits(predictor, asked_BD))
    weights, sets = labeled.weights_L, labeled.sets_LC
    if weights is not None:
        weights = np.append(weights, np.full(len(asked_BD), weights.mean() if len(weights) else 1.0))
    if sets is not None:
        # The first class is "none", against whose odds those of the others stand.
        sets = np.concatenate([sets, logits_CB[1:].T > 0])
    believed = LabeledSet(
        np.concatenate([labeled.embeddings_LD, asked_BD]),
        np.append(labeled.classes_L, logits_CB.argmax(axis=0)),
        weights,
        sets,
    )
    return replace(context, labeled=believed)
