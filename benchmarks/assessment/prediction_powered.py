"""What real LLM answers are worth in human labels (politeness_gpt4o)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.assessment.report import markdown
from benchmarks.learners.labeled_sets import load_fresh_rows, load_set
from nextlabel.server.assessment.estimates.cross_fit import Features, cross_fitted
from nextlabel.server.assessment.estimates.pool_mean import Draws, pool_mean
from nextlabel.server.assessment.estimates.prediction_powered import Predictions, prediction_powered_mean
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.learners.advice.features import Opinion, advice_features, half_log_odds

CACHE = Path(tempfile.gettempdir()) / "assess-cache"
COUNTS = (100, 200)
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def table(data: Path, sims: int) -> str:
    """Return ratios of human labels for the same width, 1 being people alone, and coverage."""
    labels, said, embeddings = _politeness(data)
    strong, none = _as_advice(said), np.zeros((len(said), 1))
    useless = np.random.default_rng(5).random(len(said))
    methods: dict[str, Callable[[Rows, Rows], Estimate]] = {
        "people alone": lambda a, _: pool_mean(_draws(len(a), len(labels)), labels[a], share=True),
        "PPI++ on the LLM's score": lambda a, b: _joined(labels, said, a, b),
        "PPI++ on a useless score": lambda a, b: _joined(labels, useless, a, b),
        "PPI++ cross-fitted on the LLM's answer": lambda a, b: _cross_fitted(labels, strong, none, a, b),
        "PPI++ cross-fitted on answer and embedding": lambda a, b: _cross_fitted(labels, strong, embeddings, a, b),
        "PPI++ cross-fitted on the embedding": lambda a, b: _cross_fitted(labels, strong[:, :0], embeddings, a, b),
    }
    rows = []
    for n in COUNTS:
        for name, method in methods.items():
            rows.append((name, n, *_measured(labels, method, n, sims)))
    columns = ("estimate", "human labels", "labels for the same width (by width)", "(by error)", "coverage")
    shown: str = markdown(f"Share of polite requests, {sims} simulations", columns, rows)
    return shown


def annotator_table(data: Path, sims: int) -> str:
    """Return the same of GPT-4o's accuracy on the pool, by its confidence, its answer and the embedding."""
    labels, said, embeddings = _politeness(data)
    right = np.asarray((said > 0.5) == (labels > 0.5), np.float64)
    sure = np.array([[half_log_odds(max(p, 1 - p)), p > 0.5, p <= 0.5] for p in said.tolist()], np.float64)
    strong = np.hstack([sure, _as_advice(said)])
    useless = np.random.default_rng(5).random((len(said), 1))
    methods: dict[str, Callable[[Rows, Rows], Estimate]] = {
        "people alone": lambda a, _: pool_mean(_draws(len(a), len(right)), right[a], share=True),
        "PPI++ cross-fitted on confidence, answer and embedding": (
            lambda a, b: _cross_fitted(right, strong, embeddings, a, b)
        ),
        "PPI++ cross-fitted on a useless score": lambda a, b: _cross_fitted(right, useless, useless, a, b),
    }
    rows = [(name, n, *_measured(right, method, n, sims)) for n in COUNTS for name, method in methods.items()]
    columns = ("estimate", "human labels", "labels for the same width (by width)", "(by error)", "coverage")
    shown: str = markdown(f"Accuracy of GPT-4o on politeness_gpt4o, {sims} simulations", columns, rows)
    return shown


def _measured(
    labels: Floats, method: Callable[[Rows, Rows], Estimate], n: int, sims: int
) -> tuple[float, float, float]:
    rng = np.random.default_rng(n)
    truth = float(labels.mean())
    widths, alone_widths, errors, alone_errors, held = [], [], [], [], []
    for _ in range(sims):
        order = rng.permutation(len(labels))
        found = method(order[:n], order[n:])
        alone = pool_mean(_draws(n, len(labels)), labels[order[:n]], share=True)
        widths.append(found.high - found.low)
        alone_widths.append(alone.high - alone.low)
        errors.append(found.value - truth)
        alone_errors.append(alone.value - truth)
        held.append(found.low <= truth <= found.high)
    by_width = float((np.mean(widths) / np.mean(alone_widths)) ** 2)
    return by_width, float(np.mean(np.square(errors)) / np.mean(np.square(alone_errors))), float(np.mean(held))


def _draws(n: int, pool_size: int) -> Draws:
    return Draws.uniform(np.arange(n), pool_size - np.arange(n))


def _joined(labels: Floats, scores: Floats, labeled: Rows, others: Rows) -> Estimate:
    known = Predictions(scores[labeled], scores[others], len(others))
    return prediction_powered_mean(_draws(len(labeled), len(labels)), labels[labeled], known, share=True)


def _cross_fitted(labels: Floats, strong: Floats, weak: Floats, labeled: Rows, others: Rows) -> Estimate:
    known_n, known_N = (Features(strong[rows], weak[rows]) for rows in (labeled, others))
    of_labeled, of_others = cross_fitted(known_n, labels[labeled], known_N)
    known = Predictions(of_labeled, of_others, len(others))
    return prediction_powered_mean(_draws(len(labeled), len(labels)), labels[labeled], known, share=True)


def _as_advice(said: Floats) -> Floats:
    """Return the LLM's answers in the columns that the service makes of advice."""
    opinions = [{"gpt-4o": Opinion({int(p > 0.5): 1.0}, max(p, 1 - p))} for p in said.tolist()]
    return advice_features(opinions, ("gpt-4o",), 2).features_NF.astype(np.float64)


def _politeness(data: Path) -> tuple[Floats, Floats, Floats]:
    folder = data / "politeness_gpt4o"
    embeddings = load_set(folder, CACHE).train_embeddings_ND.astype(np.float64)
    rows = load_fresh_rows(folder)
    labels = np.array([row["label"] == "polite" for row in rows], np.float64)
    sure = np.array([row["llm_confidence"] for row in rows], np.float64)
    said = np.where([row["llm_label"] == "polite" for row in rows], sure, 1 - sure)
    return labels, said, embeddings
