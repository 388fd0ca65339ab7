"""What predictions bring on sets and on parts of them, with LLMs that are of use and one that is of none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.assessment.crowdlab import SETS, Texts, texts_of
from benchmarks.assessment.report import markdown
from benchmarks.learners.labeled_sets import load_fresh_rows
from nextlabel.server.assessment.estimates.cross_fit import Features
from nextlabel.server.assessment.estimates.figures import FigureKind
from nextlabel.server.assessment.estimates.pool_mean import Draws
from nextlabel.server.assessment.estimates.pool_survey import PoolSurvey
from nextlabel.server.assessment.intervals import Estimate

DRAWS = 150
POOL = 2_000
CLASSES = 3
"""Most frequent classes whose shares are told."""

PARTS = ("all", "short texts", "texts of middling length", "long texts")
_LLMS = ("useful LLM and embedding", "useless LLM and embedding", "useless LLM alone")

Floats = npt.NDArray[np.float64]
_Told = tuple[float, Estimate, Estimate]
"""The truth, and what people alone and with predictions say."""


def table(data: Path, sims: int) -> str:
    """Return for each set and LLM the ratios of human labels, over all shares and of the worst one."""
    rows: list[tuple[object, ...]] = []
    for name in SETS:
        texts = texts_of(data / name)
        length_N = np.array([len(row["text"]) for row in load_fresh_rows(data / name)])
        rows += [(name, llm, *_measured(texts, length_N, llm, sims)) for llm in _LLMS]
    columns = (
        "set",
        "predicted from",
        "labels for the same width (by width), mean",
        "of the worst share",
        "(by error), mean",
        "of the worst share",
        "which",
        "coverage, mean",
        "least",
    )
    title = f"Shares of {CLASSES} classes in sets and their thirds by length, {DRAWS} labels, {sims} simulations"
    shown: str = markdown(title, columns, rows)
    return shown


def _measured(texts: Texts, length_N: npt.NDArray[np.int64], llm: str, sims: int) -> tuple[object, ...]:
    rng = np.random.default_rng(0)
    found: defaultdict[tuple[str, str], list[_Told]] = defaultdict(list)
    for _ in range(sims):
        rows = rng.permutation(len(texts.true_N))[:POOL]
        for where, told in _told(texts, rows, length_N, llm, rng):
            found[where].append(told)
    widths, errors, held = {}, {}, []
    for where, all_told in found.items():
        truth = np.array([told[0] for told in all_told])
        alone = np.array([[one.value, one.low, one.high] for _, one, _ in all_told])
        joined = np.array([[one.value, one.low, one.high] for _, _, one in all_told])
        widths[where] = float(((joined[:, 2] - joined[:, 1]).mean() / (alone[:, 2] - alone[:, 1]).mean()) ** 2)
        errors[where] = float(((joined[:, 0] - truth) ** 2).mean() / ((alone[:, 0] - truth) ** 2).mean())
        held.append(float(((joined[:, 1] <= truth) & (truth <= joined[:, 2])).mean()))
    worst = max(errors, key=lambda where: errors[where])
    return (
        float(np.mean(list(widths.values()))),
        max(widths.values()),
        float(np.mean(list(errors.values()))),
        errors[worst],
        ", ".join(worst),
        float(np.mean(held)),
        min(held),
    )


def _told(
    texts: Texts, rows: npt.NDArray[np.int64], length_N: npt.NDArray[np.int64], llm: str, rng: np.random.Generator
) -> Iterator[tuple[tuple[str, str], _Told]]:
    """Yield what is said of the share of a class in a part of the pool at ``rows``, of which the first are drawn."""
    classes = np.argsort(-np.bincount(texts.true_N), kind="stable")[:CLASSES]
    values_NK = (texts.true_N[rows][:, None] == classes).astype(np.float64)
    strong_NS = _said(texts, rows, llm, rng)
    weak_ND = texts.embeddings_ND[rows].astype(np.float64) if llm.endswith("embedding") else np.zeros((len(rows), 0))
    seen, sample = (Features(strong_NS[at], weak_ND[at]) for at in (slice(DRAWS), slice(DRAWS, None)))
    draws = Draws.uniform(np.arange(DRAWS), len(rows) - np.arange(DRAWS))
    survey = PoolSurvey.predicted(draws, values_NK[:DRAWS], seen, sample, len(rows) - DRAWS)
    short, long = np.quantile(length_N, [1 / 3, 2 / 3])
    third_N = (length_N[rows] > short).astype(int) + (length_N[rows] > long)
    for place, name in enumerate(PARTS):
        inside_N = third_N == place - 1 if place else np.ones(len(rows), np.bool_)
        part = survey.part(inside_N[:DRAWS], inside_N[DRAWS:])
        assert part is not None
        for column, place_of_class in enumerate(classes.tolist()):
            told = {f.kind: f.estimate for f in part.figures(column, share=True, watched=False)}
            alone = told[FigureKind.AUDIT]
            truth = float(values_NK[inside_N, column].mean())
            yield (name, texts.classes[place_of_class]), (truth, alone, told.get(FigureKind.PREDICTION_POWERED, alone))


def _said(texts: Texts, rows: npt.NDArray[np.int64], llm: str, rng: np.random.Generator) -> Floats:
    """Return the LLM's answers, a column for each class."""
    said_N = texts.llm(rng, rows, 0.8) if llm.startswith("useful ") else rng.integers(0, len(texts.classes), len(rows))
    if llm.startswith("useful ") and texts.answered_N is not None:
        said_N = texts.answered_N[rows]
    return np.eye(len(texts.classes))[said_N]
