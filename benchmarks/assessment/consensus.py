"""Consensus on simulated panels, beside crowd-kit where a Python that has it is given (NEXTLABEL_PEER_PYTHON)."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.assessment.panels import ITEMS, PANELS, panel
from benchmarks.assessment.report import markdown
from nextlabel.server.assessment.consensus.choice import METHODS, choose
from nextlabel.server.assessment.consensus.dawid_skene import dawid_skene
from nextlabel.server.assessment.consensus.glad import glad
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable

SEEDS = 6
GOLD = 50


def table(_data: Path, sims: int) -> str:
    """Return accuracies on items without gold, and what it costs."""
    seeds = min(SEEDS, sims)
    peer = os.environ.get("NEXTLABEL_PEER_PYTHON", "")
    rows = [_panel_row(name, seeds, peer) for name in PANELS]
    figures = np.array([row[1:-1] for row in rows], np.float64)
    rows.append(["mean", *figures.mean(axis=0).tolist(), ""])
    columns = ["panel", *METHODS, "chosen", "crowd-kit's best", "which"]
    shown = markdown(f"Consensus, {GOLD} gold of {ITEMS} items, {seeds} seeds: accuracy without gold", columns, rows)
    return f"{shown}\n\n{_cost()}"


def _panel_row(name: str, seeds: int, peer: str) -> list[object]:
    found: dict[str, list[float]] = {method: [] for method in (*METHODS, "chosen")}
    panels = [panel(name, seed, GOLD) for seed in range(seeds)]
    for answers, truth in panels:
        scored = answers.gold_N == NO_GOLD
        for method, join in METHODS.items():
            found[method].append(right(join(answers), truth, scored))
        found["chosen"].append(right(choose(answers).probabilities_NC, truth, scored))
    return [name, *(float(np.mean(values)) for values in found.values()), *best_peer(of_peers(peer, panels))]


def right(probabilities_NC: np.ndarray, truth: np.ndarray, scored: np.ndarray) -> float:
    """Return the share of the scored items whose most probable class is true."""
    return float((probabilities_NC.argmax(axis=1) == truth)[scored].mean())


def of_peers(python: str, panels: Sequence[tuple[AnswerTable, np.ndarray]]) -> list[dict[str, float]]:
    """Return what crowd-kit's methods get right of panels of answers with truth; nothing where no Python has it."""
    if not python:
        return [{} for _ in panels]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.npz" for number in range(len(panels))]
        for file, (answers, truth) in zip(files, panels, strict=True):
            np.savez(
                file,
                item=answers.item_A,
                annotator=answers.annotator_A,
                label=answers.class_A,
                gold=answers.gold_N,
                truth=truth,
            )
        script = Path(__file__).with_name("crowdkit_peer.py")
        done = subprocess.run([python, script, *files], capture_output=True, text=True, check=True)
    scores: list[dict[str, float]] = json.loads(done.stdout)
    return scores


def best_peer(measured: Sequence[Mapping[str, float]]) -> tuple[float, str]:
    """Return the mean accuracy of the method that is best on the mean of panels, in hindsight, and its name."""
    means = {method: float(np.mean([one[method] for one in measured])) for method in measured[0]}
    best = max(means, key=lambda method: means[method], default="")
    return means.get(best, float("nan")), best


def _cost() -> str:
    rng = np.random.default_rng(0)
    items, answers, annotators, classes = 340_000, 1_700_000, 50, 4
    truth = rng.integers(0, classes, items)
    item_A = rng.integers(0, items, answers)
    label_A = np.where(rng.random(answers) < 0.7, truth[item_A], rng.integers(0, classes, answers))
    names = tuple(f"w{w}" for w in range(annotators))
    big = AnswerTable(
        item_A, rng.integers(0, annotators, answers), label_A, np.full(items, NO_GOLD), names, ("a", "b", "c", "d")
    )
    began = time.perf_counter()
    _, fitted = dawid_skene(big)
    whole = time.perf_counter() - began
    began = time.perf_counter()
    glad(big)
    of_glad = time.perf_counter() - began
    one = {f"w{w}": w % classes for w in range(5)}
    began = time.perf_counter()
    for _ in range(1000):
        fitted.posterior(one)
    rows = [
        ("Dawid-Skene of 1.7 million answers", f"{whole:.2f} s"),
        ("GLAD of the same", f"{of_glad:.1f} s"),
        ("an item with a new answer", f"{time.perf_counter() - began:.3f} ms"),
    ]
    shown: str = markdown("What consensus costs", ("what", "time"), rows)
    return shown
