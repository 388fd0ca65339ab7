"""How much gold it takes to choose a way to join answers about as well as whoever knows the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.assessment.consensus import right
from benchmarks.assessment.crowdlab import ITEMS, PANELS, REAL_PANELS, Panel, Texts, answer_table, texts_of
from benchmarks.assessment.report import markdown
from nextlabel.server.assessment.consensus.choice import METHODS, choose
from nextlabel.server.assessment.consensus.table import NO_GOLD

HARD: Sequence[tuple[str, str]] = (
    ("banking77", "three LLMs that err together, .8"),
    ("uci_sentences", "six people, .65, about two an item"),
    ("uci_sentences", "five people, .85"),
    ("politeness_gpt4o", "six people, .65, about two an item"),
    ("politeness_gpt4o", "GPT-4o and three people, .6"),
)
"""Panels on which the way that is chosen is below the best one."""
GOLD = (50, 100, 200)
SEEDS = 12


def table(data: Path, sims: int) -> str:
    """Return what the best way gets right, and what the chosen one does by so much gold, without the learner."""
    seeds = min(SEEDS, sims)
    rows = []
    for name, panel in HARD:
        texts, make = texts_of(data / name), {**PANELS, **REAL_PANELS}[panel]
        for gold in GOLD:
            found = np.mean([_measured(texts, make, seed, gold) for seed in range(seeds)], axis=0)
            ways = found[:-1]
            best = int(ways.argmax())
            rows.append((name, panel, gold, float(ways[best]), list(METHODS)[best], float(found[-1])))
    columns = ("set", "panel", "gold", "best way in hindsight", "which", "chosen")
    shown: str = markdown(f"Ways to join answers by gold, {ITEMS} items, {seeds} seeds", columns, rows)
    return shown


def _measured(texts: Texts, make: Panel, seed: int, gold: int) -> list[float]:
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(texts.true_N))[:ITEMS])
    given, share = make(texts, rng, rows)
    answers, _ = answer_table(rng, texts, rows, given, share, gold)
    true, scored = texts.true_N[rows], answers.gold_N == NO_GOLD
    chosen = right(choose(answers).probabilities_NC, true, scored)
    return [*(right(join(answers), true, scored) for join in METHODS.values()), chosen]
