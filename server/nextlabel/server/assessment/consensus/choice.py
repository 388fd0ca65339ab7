"""Which way to join answers suits a project: what gold says, else what the answers themselves allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.dawid_skene import dawid_skene, gold_panel
from nextlabel.server.assessment.consensus.glad import glad
from nextlabel.server.assessment.consensus.mace import mace
from nextlabel.server.assessment.consensus.one_coin import one_coin
from nextlabel.server.assessment.consensus.panel import Joiner
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable
from nextlabel.server.assessment.consensus.thinned import like_others
from nextlabel.server.assessment.intervals import Estimate, wilson_interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST_GOLD = 20
"""Gold items that a choice rests on at least."""

FOLDS = 5

_GOLD_A_CLASS = 10
"""Gold items a class from which on it says by itself how an annotator confuses classes."""

_SURE = 1.645
"""Standard errors by which the best of six ways has to be better than the one that explains the answers best."""


def majority(table: AnswerTable) -> Floats:
    """Return the shares of the votes, (N, C); ties go to the class that comes first."""
    votes = table.votes
    return table.clamped(votes / np.maximum(votes.sum(axis=1, keepdims=True), 1.0))


Fit = Callable[[AnswerTable], tuple[Floats, Joiner]]

MODELS: Mapping[str, Fit] = {
    "dawid_skene": dawid_skene,
    "glad": glad,
    "gold_weighted": gold_panel,
    "mace": mace,
    "one_coin": one_coin,
}
"""Models of annotators."""


def _probabilities(fit: Fit) -> Callable[[AnswerTable], Floats]:
    return lambda table: fit(table)[0]


METHODS: Mapping[str, Callable[[AnswerTable], Floats]] = dict(
    sorted({"majority": majority, **{name: _probabilities(fit) for name, fit in MODELS.items()}}.items())
)
"""Ways to join answers."""


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The way that was chosen, what each got right of gold that it had not seen, and the result.

    ``probabilities_NC`` are the class probabilities of all items.
    """

    method: str
    on_gold: Mapping[str, Estimate]
    probabilities_NC: Floats


def choose(table: AnswerTable) -> Chosen:
    """Join the answers in the way that is right most often on gold which it has not seen, answered as others are.

    With fewer than `FEWEST_GOLD` gold items nothing can be compared: then the way that explains the answers best, or,
    where no item has two answers and there is nothing to explain, the votes. Where errors are
    correlated, as those of LLMs are, only gold can tell: the annotators agree on what is wrong.
    """
    gold = np.flatnonzero(table.gold_N != NO_GOLD)
    shared = (np.bincount(table.item_A) > 1).any()
    preferred = _explains_best(table) if shared or len(gold) >= FEWEST_GOLD else "majority"
    if len(gold) < FEWEST_GOLD:
        return Chosen(preferred, {}, METHODS[preferred](table))
    truth = table.gold_N[gold]
    alike = like_others(table)
    held_out = {name: _held_out(alike, gold, method) for name, method in METHODS.items()}
    method = _clearly_best({name: scores(found, truth) for name, found in held_out.items()}, preferred)
    on_gold = {
        name: wilson_interval(int((found.argmax(axis=1) == truth).sum()), len(gold)) for name, found in held_out.items()
    }
    return Chosen(method, on_gold, METHODS[method](table))


def _explains_best(table: AnswerTable) -> str:
    """Return the way that explains answers and gold best for the parameters that it has (Schwarz 1978).

    More of them pay where annotators prefer classes, or confuse them: what few agree on hardly shows that, gold does.
    Where fewer other items than gold ones have two answers, agreement says less than gold, which speaks alone if there
    is enough of it for each class: a model of agreement takes the only annotator at its word.
    """
    answers_N, known_N = np.bincount(table.item_A, minlength=table.items), table.gold_N != NO_GOLD
    enough = max(FEWEST_GOLD, _GOLD_A_CLASS * len(table.classes))
    if known_N.sum() >= enough and (answers_N[~known_N] > 1).sum() < known_N.sum():
        return "gold_weighted"
    classes, annotators = len(table.classes), len(table.annotators)
    likelihoods = {
        "one_coin": (one_coin(table)[1].log_likelihood(table), annotators),
        "mace": (mace(table)[1].log_likelihood(table), annotators * classes),
        "dawid_skene": (dawid_skene(table)[1].log_likelihood(table), annotators * classes * (classes - 1)),
    }
    price = np.log(max(table.items, 1)) / 2
    return max(likelihoods, key=lambda name: likelihoods[name][0] - likelihoods[name][1] * price)


def _clearly_best(found: Mapping[str, Floats], preferred: str) -> str:
    """Return the best way, or the preferred one unless the best beats it by more than chance does in 1 of 20 cases."""
    best = max(found, key=lambda name: float(found[name].mean()))
    return best if clearly_better(found[best], found[preferred], _SURE) else preferred


def clearly_better(scores_n: Floats, than_n: Floats, errors: float = 1.0) -> bool:
    """Return whether the scores of n items beat others on the mean by more than so many standard errors of that."""
    gain_n = scores_n - than_n
    return bool(gain_n.mean() > errors * gain_n.std() / len(gain_n) ** 0.5)


def scores(held_out_nC: Floats, truth_n: Ints) -> Floats:
    """Return for n items 1 where right, in part where tied for the most; a little less for being surely wrong."""
    tied_nC = held_out_nC >= held_out_nC.max(axis=1, keepdims=True) - 1e-9
    at = (np.arange(len(truth_n)), truth_n)
    truth_nC = np.eye(held_out_nC.shape[1])[truth_n]
    return np.asarray(tied_nC[at] / tied_nC.sum(axis=1) - 0.1 * ((held_out_nC - truth_nC) ** 2).sum(axis=1))


def _held_out(table: AnswerTable, gold: Ints, method: Callable[[AnswerTable], Floats]) -> Floats:
    """Return the probabilities of gold items, each found with the other folds' gold only."""
    found = np.empty((len(gold), len(table.classes)))
    for fold in range(FOLDS):
        found[fold::FOLDS] = method(without_fold(table, fold))[gold[fold::FOLDS]]
    return found


def without_fold(table: AnswerTable, fold: int) -> AnswerTable:
    """Return the same answers without the gold of one of `FOLDS` folds: every fifth gold item, from ``fold`` on."""
    hidden = table.gold_N.copy()
    hidden[np.flatnonzero(table.gold_N != NO_GOLD)[fold::FOLDS]] = NO_GOLD
    return table.with_gold(hidden)
