"""The default learner against balanced logistic regression on the same random labels, with error bars.

    python -m benchmarks.learners.single_label DATA_DIR --seeds 10

Labels are true, or those of an annotator who errs on a share of the items, at random or by confusing each class with
the one whose items are most like it. What errors cost is the accuracy with true labels less that with errors. Skewed
pools are drawn from the sets, the test part stays as it is. Results are appended to a JSONL file, so that an
interrupted run goes on where it was. The tables are printed and, with ``--document``, written between the table
markers of that file.

Baseline: scikit-learn's ``LogisticRegression(C=10, class_weight="balanced")``; where a seed draws a single class, it
predicts that class. Both see the same labels; the default learner also sees up to 5,000 unlabeled rows and the names
of the classes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.learners.labeled_sets import LabeledSet, load_class_names, load_set, set_folders
from benchmarks.strategies.evidence_tables import write_table
from nextlabel.server.learners.candidates.logistic import LogisticSettings, fit_logistic
from nextlabel.server.learners.evaluation import ClassEvaluation, evaluate
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import MAX_POOL_SAMPLE, train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import DescribedClasses, TrainingSet

SIZES = (20, 50, 100, 200, 500)
FEWEST_SEEDS = 3  # for an interval
FEW = 100  # "up to 100 labels"
ERRORS = (0.2, 0.3)
ERRING_LABELS = 100
DRAWN_AS_POOL = 20_000  # with replacement: enough for the second decimal
SKEWED = ", skewed"
PEOPLE, RANDOM, CONFUSIONS = "people", "random errors", "confusions"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """Who labels, how many items, and which share of them wrongly."""

    annotator: str
    labels: int
    errors: float = 0.0

    def __str__(self) -> str:
        return self.annotator if self.annotator == PEOPLE else f"{self.errors:.0%} {self.annotator}"


@dataclass(frozen=True, slots=True)
class Trial:
    """Scores in [0, 1] on the test part after `labels` random labels by an annotator.

    Attributes:
        candidate: the one of most weight.
        errors: share of the labels that are wrong, unless people label.
        default_ece_as_pool: the same on test items drawn with the class shares of a skewed pool; None for others, whose
            test part has the shares of the pool.
    """

    set: str
    annotator: str
    seed: int
    labels: int
    baseline: float
    default: float
    baseline_f1: float
    default_f1: float
    default_ece: float
    candidate: str
    seconds: float
    default_ece_as_pool: float | None = None
    errors: float = 0.0

    @property
    def cell(self) -> Cell:
        """Who labeled, and how many."""
        return Cell(self.annotator, self.labels, self.errors)


def skewed(data: LabeledSet, seed: int) -> LabeledSet:
    """The set with a pool of few items of some classes: 1,000 to 15 of ten classes, 2 % of the rarer of two."""
    rng = np.random.default_rng(seed)
    of_class = [rng.permutation(np.flatnonzero(data.train_labels_N == c)) for c in range(len(data.classes))]
    of_class.sort(key=len, reverse=True)
    if len(of_class) == 2:
        sizes = np.array([len(of_class[0]), len(of_class[0]) // 50])
    else:
        of_class = [of_class[c] for c in rng.permutation(len(of_class))]
        sizes = np.geomspace(1000, 15, len(of_class)).astype(int)
    kept = np.sort(np.concatenate([rows[:size] for rows, size in zip(of_class, sizes, strict=True)]))
    return replace(
        data,
        name=f"{data.name}{SKEWED}",
        train_embeddings_ND=data.train_embeddings_ND[kept],
        train_labels_N=data.train_labels_N[kept],
    )


def answers(data: LabeledSet, labeled_n: NDArray[np.int64], cell: Cell, seed: int) -> NDArray[np.int64]:
    """The labels that an annotator gives to some training rows."""
    truth: NDArray[np.int64] = data.train_labels_N[labeled_n]
    if cell.annotator == PEOPLE:
        return truth
    rng = np.random.default_rng([seed, 1])
    wrong = rng.random(len(truth)) < cell.errors
    classes = len(data.classes)
    if cell.annotator == RANDOM:
        return np.asarray(np.where(wrong, (truth + rng.integers(1, classes, len(truth))) % classes, truth))
    centres = np.stack([data.train_embeddings_ND[data.train_labels_N == c].mean(axis=0) for c in range(classes)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    alike = centres @ centres.T - 2 * np.eye(classes)
    return np.asarray(np.where(wrong, alike.argmax(axis=1)[truth], truth))


def run_trial(data: LabeledSet, names_CD: NDArray[np.float32], cell: Cell, seed: int) -> Trial:
    labels = cell.labels
    order = np.random.default_rng(seed).permutation(len(data.train_labels_N))
    labeled, pool = order[:labels], order[labels:][:MAX_POOL_SAMPLE]
    classes = len(data.classes)
    training = TrainingSet(
        data.train_embeddings_ND[labeled],
        answers(data, labeled, cell, seed),
        np.full(labels, cell.annotator == PEOPLE),
        np.ones(labels, np.float32),
        None,
        data.classes,
        DescribedClasses(names_CD, np.arange(classes), np.ones(classes, np.float32)),
    )
    started = time.perf_counter()
    model = train(training, data.train_embeddings_ND[pool], parse_learner_spec("default", {}), seed, None)
    seconds = time.perf_counter() - started
    baseline, default = _baseline(data, training, model), _evaluation(data, model)
    choice = model.description.choice
    return Trial(
        set=data.name,
        annotator=cell.annotator,
        seed=seed,
        labels=labels,
        errors=cell.errors,
        baseline=baseline.accuracy,
        default=default.accuracy,
        baseline_f1=baseline.macro_f1,
        default_f1=default.macro_f1,
        default_ece=default.ece,
        candidate="none" if choice is None else str(choice.candidate) + " + names" * choice.described,
        seconds=round(seconds, 3),
        default_ece_as_pool=_ece_as_pool(data, model, seed) if data.name.endswith(SKEWED) else None,
    )


def _ece_as_pool(data: LabeledSet, model: Model, seed: int) -> float:
    pool_C, test_C = (
        np.bincount(labels, minlength=len(data.classes)) for labels in (data.train_labels_N, data.test_labels_M)
    )
    odds_M = (pool_C / np.maximum(test_C, 1))[data.test_labels_M]
    drawn = np.random.default_rng(seed).choice(len(odds_M), DRAWN_AS_POOL, p=odds_M / odds_M.sum())
    return evaluate(model, data.test_embeddings_MD[drawn], data.test_labels_M[drawn]).ece


def _evaluation(data: LabeledSet, model: Model) -> ClassEvaluation:
    return evaluate(model, data.test_embeddings_MD, data.test_labels_M)


def _baseline(data: LabeledSet, training: TrainingSet, like: Model) -> ClassEvaluation:
    weights = np.ones(len(training.labels_N), np.float32)
    head = fit_logistic(training.embeddings_ND, training.labels_N, weights, LogisticSettings(training.n_classes))
    return _evaluation(data, replace(like, linear=head, estimator=None))


def missing_trials(
    sets: Sequence[LabeledSet], sizes: Sequence[int], errors: Sequence[float], seeds: int, done: Sequence[Trial]
) -> Iterator[tuple[LabeledSet, Cell, int]]:
    """Seed by seed over all sets, so that an unfinished run says something about each of them."""
    known = {(trial.set, trial.cell, trial.seed) for trial in done}
    by_people = [Cell(PEOPLE, n) for n in sizes]
    erring = [Cell(annotator, ERRING_LABELS, share) for share in errors for annotator in (RANDOM, CONFUSIONS)]
    for seed in range(seeds):
        for data in sets:
            pools = [(data, cell) for cell in by_people + erring]
            if data.name in ("clinc10", "sms_spam"):
                thin = skewed(data, seed)
                pools += [(thin, cell) for cell in by_people]
            for pool, cell in pools:
                if (pool.name, cell, seed) not in known:
                    yield pool, cell, seed


def bootstrap_interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """95 % percentile interval of the mean over seeds, from 10,000 resamples."""
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (10_000, len(differences))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def table(trials: Sequence[Trial]) -> str:
    lines = [
        "| set | labels by | labels | seeds | baseline | default | accuracy | macro-F1 | ECE | ECE as pool | chosen |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- | --- | ---: | ---: | --- |",
    ]
    below, below_f1 = [], []
    gains: dict[str, list[float]] = {}
    for name, cell in sorted({(t.set, t.cell) for t in trials}, key=_place):
        found = sorted((t for t in trials if (t.set, t.cell) == (name, cell)), key=lambda t: t.seed)
        gain = np.array([t.default - t.baseline for t in found]) * 100
        gain_f1 = np.array([t.default_f1 - t.baseline_f1 for t in found]) * 100
        (low, high), (low_f1, high_f1) = bootstrap_interval(gain), bootstrap_interval(gain_f1)
        where = f"{name} at {cell.labels} by {cell}"
        told = len(found) >= FEWEST_SEEDS
        below += [where] if told and high < 0 else []
        below_f1 += [where] if told and high_f1 < 0 else []
        if cell.labels <= FEW and SKEWED not in name:
            gains.setdefault(str(cell), []).append(float(gain.mean()))
        chosen = ", ".join(f"{c} {k}" for c, k in Counter(t.candidate for t in found).most_common())
        baseline, default, ece = (
            np.mean([getattr(t, which) for t in found]) for which in ("baseline", "default", "default_ece")
        )
        as_pool = [t.default_ece_as_pool for t in found if t.default_ece_as_pool is not None]
        shown = f"{np.mean(as_pool):.3f}" if as_pool else ""
        lines.append(
            f"| {name} | {cell} | {cell.labels} | {len(found)} | {baseline:.3f} | {default:.3f} "
            f"| {gain.mean():+.1f}{f' ({low:+.1f} to {high:+.1f})' * told} "
            f"| {gain_f1.mean():+.1f}{f' ({low_f1:+.1f} to {high_f1:+.1f})' * told} | {ece:.3f} | {shown} | {chosen} |"
        )
    slowest = max(trials, key=lambda t: t.seconds)
    means = ", ".join(f"**{np.mean(found):+.1f}** by {annotator}" for annotator, found in gains.items())
    lines += [
        "",
        (
            f"Mean difference of the accuracy up to {FEW} labels, pools as they are: {means}. "
            f"Cells significantly below the baseline: accuracy **{', '.join(below) or 'none'}**, "
            f"macro-F1 **{', '.join(below_f1) or 'none'}**. "
            f"Training, the choice by cross-validation included: median "
            f"{np.median([t.seconds for t in trials]):.1f} s, at most {slowest.seconds:.1f} s "
            f"({slowest.set} at {slowest.labels})."
        ),
        *_costs_of_errors(trials),
    ]
    return "\n".join(lines)


def _costs_of_errors(trials: Sequence[Trial]) -> Iterator[str]:
    """What errors cost on the mean over sets, the points of each with its 95 % interval over seeds."""
    known = {(t.set, t.seed): t for t in trials if t.cell == Cell(PEOPLE, ERRING_LABELS)}
    for cell in sorted({t.cell for t in trials if t.annotator != PEOPLE}):
        pairs = [(known[t.set, t.seed], t) for t in trials if t.cell == cell and (t.set, t.seed) in known]
        seeds = sorted({t.seed for _, t in pairs})
        if not pairs:
            continue
        lost: dict[str, NDArray[np.float64]] = {
            which: np.array([_lost([p for p in pairs if p[1].seed == seed], which) for seed in seeds])
            for which in ("baseline", "default")
        }
        plain, default = (float(lost[which].mean()) for which in ("baseline", "default"))
        low, high = bootstrap_interval(lost["default"] - lost["baseline"] / 2)
        yield ""
        yield (
            f"{cell} cost the baseline {plain:.1f} points at {ERRING_LABELS} labels and the default {default:.1f}, "
            f"**{default / plain:.2f}** of that; less half of the baseline's loss: {default - plain / 2:+.1f}"
            f"{f' ({low:+.1f} to {high:+.1f})' * (len(seeds) >= FEWEST_SEEDS)}."
        )


def _lost(pairs: Sequence[tuple[Trial, Trial]], which: str) -> float:
    return 100 * float(np.mean([getattr(clean, which) - getattr(erring, which) for clean, erring in pairs]))


def _place(of: tuple[str, Cell]) -> tuple[bool, int, float, int, str]:
    name, cell = of
    return SKEWED in name, (PEOPLE, RANDOM, CONFUSIONS).index(cell.annotator), cell.errors, cell.labels, name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of true labels")
    parser.add_argument("--errors", type=float, nargs="*", default=ERRORS, help="shares of labels that are wrong")
    parser.add_argument("--sets", help="comma-separated; default: every set of the folder")
    parser.add_argument("--results", type=Path, default=Path(".cache/benchmarks/learner-trials.jsonl"))
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
        names = {data.classes: load_class_names(data, options.cache) for data in sets}
        for data, cell, seed in missing_trials(sets, options.sizes, options.errors, options.seeds, trials):
            trials.append(run_trial(data, names[data.classes], cell, seed))
            results.write(json.dumps(asdict(trials[-1])) + "\n")
            results.flush()
    summary = table(trials)
    print(summary)
    if options.document:
        write_table(options.document, summary)


if __name__ == "__main__":
    main()
