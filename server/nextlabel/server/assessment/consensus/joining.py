"""The way in which a project's answers are joined, ready for one item at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.choice import FOLDS, MODELS, choose, majority, without_fold
from nextlabel.server.assessment.consensus.crowdlab import Learner, LearnerVoice, learner_voice
from nextlabel.server.assessment.consensus.panel import Joiner
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable
from nextlabel.server.assessment.consensus.thinned import like_others
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.values.projects.projects import CHOSEN, CROWDLAB

Floats = npt.NDArray[np.float64]

MOST_COMPARED = 20_000
"""Answers on which ways to join are compared; a fit is needed for every fold of gold and every way."""
_LIKE_VOTES = "one_coin"
"""The model that is nearest to counting votes, which gives no probabilities for the learner to stand beside."""


@dataclass(frozen=True, slots=True, eq=False)
class Joining:
    """A model of annotators that was fitted on answers, and the learner's ``voice`` where it has one.

    A gold item of fold f, which ``folds`` say by row, is joined by ``unseen[f]``, which has not seen its gold: what is
    measured on gold is what happens to all others.
    """

    method: str
    joiner: Joiner
    unseen: Sequence[Joiner]
    folds: Mapping[int, int]
    voice: LearnerVoice | None = None

    def probabilities(self, row: int, answers: Mapping[str, int]) -> Floats:
        """Return class probabilities, (C,), of an item from its answers, class position by annotator.

        A few additions an answer: nothing is fitted anew.
        """
        fold = self.folds.get(row)
        found = (self.joiner if fold is None else self.unseen[fold]).posterior(answers)
        return found if self.voice is None else self.voice.joined_with(found, row, fold)


def joining_of(table: AnswerTable, rows: Sequence[int], way: str, learner: Learner | None = None) -> Joining | None:
    """Fit a way to join answers, or the one that is chosen; ``rows`` are those of the table's items.

    The ``learner`` is heard beside the chosen model where the way is `CROWDLAB`, and where one is chosen and gold says
    that it is right clearly more often. None for the majority of votes, which has nothing to fit, and where there are
    no answers.
    """
    if not table.items:
        return None
    method = choose(_some(table)).method if way in (CHOSEN, CROWDLAB) else way
    hears = learner if way in (CHOSEN, CROWDLAB) else None
    if method not in MODELS and hears is None and way != CROWDLAB:
        return None
    joining = _fitted(table, rows, method, hears, only_earned=way == CHOSEN)
    return None if method not in MODELS and joining.voice is None and way != CROWDLAB else joining


@dataclass(frozen=True, slots=True)
class ComparedWays:
    """What each way to join answers gets right of gold that it has not seen, where there is enough; which one suits."""

    on_gold: Mapping[str, Estimate]
    suits: str


def compared_ways(table: AnswerTable, rows: Sequence[int], learner: Learner | None = None) -> ComparedWays:
    """Compare all ways to join answers, with `CROWDLAB` among them where the ``learner`` can be heard.

    The one that suits is that which `joining_of` takes where it may choose. There is an answer at least.
    """
    found = choose(_some(table))
    joining = None if learner is None else _fitted(table, rows, found.method, learner)
    if joining is None or joining.voice is None:
        return ComparedWays(found.on_gold, found.method)
    suits = CROWDLAB if joining.voice.earned else found.method
    return ComparedWays({**found.on_gold, CROWDLAB: joining.voice.on_gold}, suits)


def _fitted(
    table: AnswerTable, rows: Sequence[int], way: str, learner: Learner | None, *, only_earned: bool = False
) -> Joining:
    """Fit a way; in the place of votes the model that is nearest to them, whose learner has to do better than votes."""
    method = way if way in MODELS else _LIKE_VOTES
    fit = MODELS[method]
    gold = np.flatnonzero(table.gold_N != NO_GOLD).tolist()
    folds = {rows[item]: at % FOLDS for at, item in enumerate(gold)}
    unseen = [fit(without_fold(table, fold)) for fold in range(min(FOLDS, len(gold)))]
    voice = None
    if learner is not None:
        alike = like_others(table)
        fewer = np.bincount(alike.item_A, minlength=table.items) < np.bincount(table.item_A, minlength=table.items)
        unseen_NC = [
            _as_others_are(alike, *found, [item for item in gold[fold::FOLDS] if fewer[item]])
            for fold, found in enumerate(unseen)
        ]
        voted = None if way in MODELS else [majority(without_fold(alike, fold)) for fold in range(len(unseen))]
        voice = learner_voice(table, rows, unseen_NC, learner, instead_NC=voted)
    if voice is not None and only_earned and not voice.earned:
        voice = None
    heard = CROWDLAB if voice is not None else method
    return Joining(heard, fit(table)[1], [joiner for _, joiner in unseen], folds, voice)


def _as_others_are(alike: AnswerTable, joined_NC: Floats, joiner: Joiner, items: Sequence[int]) -> Floats:
    """Return class probabilities, (N, C), those of some items from the answers that they have in another table."""
    if not items:
        return joined_NC
    answers: dict[int, dict[str, int]] = {item: {} for item in items}
    for at in np.flatnonzero(np.isin(alike.item_A, items)):
        answers[int(alike.item_A[at])][alike.annotators[alike.annotator_A[at]]] = int(alike.class_A[at])
    found_NC = joined_NC.copy()
    for item, given in answers.items():
        found_NC[item] = joiner.posterior(given)
    return found_NC


def _some(table: AnswerTable) -> AnswerTable:
    """Return gold items and random others, the same each time, with about as many answers as are compared."""
    if len(table.item_A) <= MOST_COMPARED:
        return table
    order = np.random.default_rng(0).permutation(table.items)
    order = order[np.argsort(table.gold_N[order] == NO_GOLD, kind="stable")]
    answers_N = np.bincount(table.item_A, minlength=table.items)
    return table.of(np.sort(order[np.cumsum(answers_N[order]) <= MOST_COMPARED]))
