"""LLMs about everything, joined with a learner of what they said, and people where that is least sure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.assessment.report import markdown
from benchmarks.routing.money import COMPARED, PERSON_MICRO_USD, compared, llms_alone, people_curve
from benchmarks.routing.reviews import doubted
from benchmarks.routing.worlds import TRAINED_ON, World, loaded, worlds
from nextlabel.server.assessment.consensus.joining import joining_of
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable
from nextlabel.server.assessment.review_gain import ordered_by_both
from nextlabel.server.assessment.routing.cascades import Prices
from nextlabel.server.domain.labeling.text_learners import TextLearner
from nextlabel.server.values.projects.projects import CROWDLAB

GOLD = 100
DOLLARS = (15.0, 30.0, 50.0, 75.0, 130.0)
"""Dollars of everything: gold, the LLMs' answers about all items, and the looks of people."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def table(data: Path, cache: Path, seeds: int) -> str:
    """Return a row for each set, LLMs that are asked and sum of money, the mean of the seeds."""
    found: defaultdict[tuple[str, str, float], list[tuple[float, ...]]] = defaultdict(list)
    for seed in range(seeds):
        for world in worlds(data, cache, seed):
            labeled = loaded(data / world.name, cache)
            rows = np.random.default_rng(seed).permutation(len(labeled.train_labels_N))[TRAINED_ON:]
            embeddings_ND = labeled.train_embeddings_ND[rows].astype(np.float16)
            gold = np.random.default_rng(1_000 + seed).permutation(len(rows))[:GOLD]
            curve = people_curve(labeled, seed)
            prices = Prices(world.prices, PERSON_MICRO_USD)
            by_price = sorted(world.prices, key=prices.of)
            for asked in [by_price[:count] for count in range(1, len(by_price) + 1)]:
                known_NC = _joined(world, embeddings_ND, labeled.classes, asked, gold)
                known = GOLD * PERSON_MICRO_USD + len(rows) * sum(prices.of(name) for name in asked)
                looks = {d: int((d * 1e6 - known) / PERSON_MICRO_USD) for d in DOLLARS if d * 1e6 >= known}
                reached = _looked_at(known_NC, world.answers.truth_G, embeddings_ND, gold, list(looks.values()))
                for dollars, accuracy in zip(looks, reached, strict=True):
                    alone = llms_alone(world.answers, prices, dollars * 1e6)
                    people = accuracy * len(rows) * PERSON_MICRO_USD / 1e6
                    found[world.name, " + ".join(asked), dollars].append((accuracy, alone, people, curve(accuracy)))
    return _shown(found, seeds)


def _joined(
    world: World, embeddings_ND: npt.NDArray[np.float16], classes: Sequence[str], asked: Sequence[str], gold: Ints
) -> Floats:
    """Return class probabilities of all items, (N, C), as a project that joins by `CROWDLAB` finds them."""
    truth = world.answers.truth_G
    answers = [
        (item, who, said)
        for who, name in enumerate(asked)
        for item, said in enumerate(world.answers.given[name].tolist())
        if said >= 0
    ]
    item_A, annotator_A, class_A = np.array(answers, np.int64).T
    gold_N = np.full(len(truth), NO_GOLD)
    gold_N[gold] = truth[gold]
    given = AnswerTable(item_A, annotator_A, class_A, gold_N, tuple(asked), tuple(classes))
    rows = range(len(truth))
    joining = joining_of(given, rows, CROWDLAB, TextLearner(np.arange(len(truth)), embeddings_ND, len(classes)))
    assert joining is not None
    by_item: list[dict[str, int]] = [{} for _ in rows]
    for item, who, said in answers:
        by_item[item][asked[who]] = said
    return np.stack([joining.probabilities(row, said) for row, said in zip(rows, by_item, strict=True)])


def _looked_at(
    known_NC: Floats, truth_N: Ints, embeddings_ND: npt.NDArray[np.float16], gold: Ints, looks: Sequence[int]
) -> list[float]:
    """Return the accuracies of all labels when people, who are right, have had so many looks, by the review list.

    The learner of the labels, which says with the joined probabilities where to look, is fitted anew after each number
    of looks; what joins the answers is not.
    """
    label_N, open_N = known_NC.argmax(axis=1), 1 - known_NC.max(axis=1)
    seen_N = np.isin(np.arange(len(label_N)), gold)
    label_N[gold] = truth_N[gold]
    found, done = [], 0
    for count in looks:
        others = np.flatnonzero(~seen_N)
        second_N = doubted(label_N, embeddings_ND.astype(np.float32), known_NC.shape[1])
        order = np.argsort(-ordered_by_both(open_N[others], second_N[others]), kind="stable")
        picked = others[order[: count - done]]
        label_N[picked], seen_N[picked], done = truth_N[picked], True, count
        found.append(float((label_N == truth_N).mean()))
    return found


def _shown(found: dict[tuple[str, str, float], list[tuple[float, ...]]], seeds: int) -> str:
    rows = []
    for (name, asked, dollars), outcomes in found.items():
        accuracy, alone, people, taught = np.mean(outcomes, axis=0).tolist()
        rows.append((name, asked, dollars, *compared(dollars, accuracy, alone, people, taught)))
    columns = ("set", "asked about all", "spent in all, $", *COMPARED)
    title = f"LLMs about everything, joined with a learner, then people where that is least sure, {seeds} seeds"
    shown: str = markdown(title, columns, rows)
    return shown
