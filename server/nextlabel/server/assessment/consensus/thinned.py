"""Gold items as other items are answered: what is measured on them is then what happens to the others.

An LLM labels the pool, and people answer gold items too: with those answers any way to join looks right on gold, and
what is best for items that only the LLM has answered does not show.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable


def like_others(table: AnswerTable) -> AnswerTable:
    """Return the answers, those about gold items no more numerous than those about others.

    The gold item with most answers keeps as many as the other item with most, and so on down the ranks; which ones is
    drawn from the combinations of annotators that answered other items, always the same. A gold item of whose
    annotators no such combination answered anything keeps them all.
    """
    answers_N = np.bincount(table.item_A, minlength=table.items)
    gold, others = np.flatnonzero(table.gold_N != NO_GOLD), np.flatnonzero(table.gold_N == NO_GOLD)
    if not len(gold) or not len(others):
        return table
    rng = np.random.default_rng(0)
    ranked = rng.permutation(gold)
    ranked = ranked[np.argsort(answers_N[ranked], kind="stable")]
    wanted = np.quantile(answers_N[others], (np.arange(len(gold)) + 0.5) / len(gold), method="nearest")
    fewer = {int(item): int(most) for item, most in zip(ranked, wanted, strict=True) if 0 < most < answers_N[item]}
    if not fewer:
        return table
    annotators: defaultdict[int, set[int]] = defaultdict(set)
    for item, annotator in zip(table.item_A.tolist(), table.annotator_A.tolist(), strict=True):
        annotators[item].add(annotator)
    seen = Counter(frozenset(annotators[item]) for item in others.tolist())
    dropped: set[tuple[int, int]] = set()
    for item, most in fewer.items():
        fitting = sorted(
            (sorted(one), times) for one, times in seen.items() if len(one) == most and one <= annotators[item]
        )
        if fitting:
            times = np.array([times for _, times in fitting], np.float64)
            kept = fitting[int(rng.choice(len(fitting), p=times / times.sum()))][0]
            dropped |= {(item, annotator) for annotator in annotators[item] - {*kept}}
    answers = zip(table.item_A.tolist(), table.annotator_A.tolist(), strict=True)
    return table.without(np.array([one in dropped for one in answers], np.bool_))
