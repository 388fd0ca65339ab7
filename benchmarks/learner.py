"""The default learner against balanced logistic regression on the same random labels, with error bars.

    python benchmarks/learner.py DATA_DIR --seeds 10

Results are appended to a JSONL file, so that an interrupted run goes on where it was. The table is printed and, with
``--document``, written between the table markers of that file.

Baseline: scikit-learn's ``LogisticRegression(C=10, class_weight="balanced")``; where a seed draws a single class, it
predicts that class. Both see the same labels; the default learner also sees up to 5,000 unlabeled rows.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from labeled_sets import LabeledSet, load_set, set_folders
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from nextlabel.server.learners.evaluation import evaluate
from nextlabel.server.learners.learner import MAX_POOL_SAMPLE, train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import TrainingSet

SIZES = (20, 50, 100, 200, 500)
FEW = 100  # "up to 100 labels"
TABLE_BEGIN, TABLE_END = "<!-- table: begin -->", "<!-- table: end -->"


@dataclass(frozen=True, slots=True)
class Trial:
    """Accuracies in [0, 1] on the test part after `labels` random labels."""

    set: str
    seed: int
    labels: int
    baseline: float
    default: float
    candidate: str
    seconds: float


def run_trial(data: LabeledSet, seed: int, labels: int) -> Trial:
    order = np.random.default_rng(seed).permutation(len(data.train_labels_N))
    labeled, pool = order[:labels], order[labels:][:MAX_POOL_SAMPLE]
    embeddings, truth = data.train_embeddings_ND[labeled], data.train_labels_N[labeled]
    training = TrainingSet(
        embeddings, truth, np.ones(labels, np.bool_), np.ones(labels, np.float32), None, data.classes
    )
    started = time.perf_counter()
    model = train(training, data.train_embeddings_ND[pool], parse_learner_spec("default", {}), seed, None)
    seconds = time.perf_counter() - started
    choice = model.description.choice
    return Trial(
        set=data.name,
        seed=seed,
        labels=labels,
        baseline=_baseline_accuracy(data, embeddings, truth),
        default=evaluate(model, data.test_embeddings_MD, data.test_labels_M).accuracy,
        candidate="none" if choice is None else str(choice.candidate),
        seconds=round(seconds, 3),
    )


def _baseline_accuracy(data: LabeledSet, embeddings: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    if len(np.unique(truth)) == 1:
        return float((data.test_labels_M == truth[0]).mean())
    baseline = LogisticRegression(C=10, class_weight="balanced", max_iter=1000).fit(embeddings, truth)
    return float(baseline.score(data.test_embeddings_MD, data.test_labels_M))


def missing_trials(sets: list[LabeledSet], seeds: int, done: list[Trial]) -> Iterator[tuple[LabeledSet, int, int]]:
    """Seed by seed over all sets, so that an unfinished run says something about each of them."""
    known = {(trial.set, trial.seed, trial.labels) for trial in done}
    for seed in range(seeds):
        for data in sets:
            yield from ((data, seed, n) for n in SIZES if (data.name, seed, n) not in known)


def bootstrap_interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """95 % percentile interval of the mean over seeds, from 10,000 resamples."""
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (10_000, len(differences))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def table(trials: list[Trial]) -> str:
    lines = [
        "| set | labels | seeds | baseline | default | difference (95 % interval), points | candidates chosen |",
        "| --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    below, gains_few = [], []
    for name in sorted({trial.set for trial in trials}):
        for n in SIZES:
            cell = sorted((t for t in trials if (t.set, t.labels) == (name, n)), key=lambda t: t.seed)
            differences = np.array([t.default - t.baseline for t in cell]) * 100
            low, high = bootstrap_interval(differences)
            below += [f"{name} at {n}"] if high < 0 else []
            gains_few += [differences.mean()] if n <= FEW else []
            chosen = ", ".join(f"{c} {k}" for c, k in Counter(t.candidate for t in cell).most_common())
            baseline, default = (np.mean([getattr(t, which) for t in cell]) for which in ("baseline", "default"))
            lines.append(
                f"| {name} | {n} | {len(cell)} | {baseline:.3f} | {default:.3f} "
                f"| {differences.mean():+.1f} ({low:+.1f} to {high:+.1f}) | {chosen} |"
            )
    slowest = max(trials, key=lambda t: t.seconds)
    lines += [
        "",
        (
            f"Mean difference up to {FEW} labels: **{np.mean(gains_few):+.1f} points**. "
            f"Cells significantly below the baseline: **{', '.join(below) or 'none'}**. "
            f"Training, the choice by cross-validation included: median "
            f"{np.median([t.seconds for t in trials]):.1f} s, at most {slowest.seconds:.1f} s "
            f"({slowest.set} at {slowest.labels})."
        ),
    ]
    return "\n".join(lines)


def write_between_markers(document: Path, text: str) -> None:
    before, _, rest = document.read_text(encoding="utf-8").partition(TABLE_BEGIN)
    _, _, after = rest.partition(TABLE_END)
    document.write_text(f"{before}{TABLE_BEGIN}\n{text}\n{TABLE_END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--sets", help="comma-separated; default: every set of the folder")
    parser.add_argument("--results", type=Path, default=Path(".cache/benchmarks/learner.jsonl"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"), help="for embeddings made here")
    parser.add_argument("--document", type=Path, help="Markdown file with table markers to write the table into")
    options = parser.parse_args()

    folders = set_folders(options.data)
    if options.sets:
        folders = [folder for folder in folders if folder.name in options.sets.split(",")]
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.touch()
    with options.results.open("r+", encoding="utf-8") as results:
        trials = [Trial(**json.loads(line)) for line in results]
        sets = [load_set(folder, options.cache) for folder in folders]
        for data, seed, n in missing_trials(sets, options.seeds, trials):
            trials.append(run_trial(data, seed, n))
            results.write(json.dumps(asdict(trials[-1])) + "\n")
            results.flush()
    summary = table(trials)
    print(summary)
    if options.document:
        write_between_markers(options.document, summary)


if __name__ == "__main__":
    main()
