"""What the learner would gain from other encoders, and from embeddings adapted to the labels.

    python -m benchmarks.learners.representations DATA_DIR --document docs/evidence/encoders.md

The plain and the default learner are trained on the same random labels by every representation: each encoder that is
installed, and of all-MiniLM-L6-v2 also its adapted embeddings and, with ``--fine-tuned``, the encoder tuned on the
labels. "Chosen by validation" is, of the embeddings as they are and the adapters that see no labels, the one with which
the default learner's own cross-validation is best. Results are appended to a JSONL file, so that an interrupted run
goes on where it was. The tables are printed and, with ``--document``, written between the table markers of that file.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.learners.adapters import ADAPTERS, UNSUPERVISED
from benchmarks.learners.encoded_sets import MINILM, Embedded, Int64, Texts, embedded, installed_encoders, load_texts
from benchmarks.learners.fine_tuned import fine_tuned
from benchmarks.learners.single_label import bootstrap_interval
from benchmarks.strategies.default_sets import TUNED_ON
from benchmarks.strategies.evidence_tables import write_table
from nextlabel.server.learners.evaluation import evaluate
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import DescribedClasses, TrainingSet

SIZES = (20, 100, 300)
CHOSEN, TUNED = "chosen by validation", "fine-tuned"
LEARNERS = {"plain": "logistic_regression", "default": "default"}


@dataclass(frozen=True, slots=True)
class Cell:
    """Scores in [0, 1] of both learners by one representation: on the test part, and the default's on held-out labels.

    Seconds are of CPU, those of adapting. The calibration error is the default's, NaN in results of earlier versions.
    """

    set: str
    representation: str
    labels: int
    seed: int
    plain: float
    default: float
    plain_f1: float
    default_f1: float
    held_out: float
    seconds: float
    default_ece: float = math.nan

    @property
    def place(self) -> tuple[str, int, int]:
        """What it shares with the cells of other representations."""
        return self.set, self.labels, self.seed


def cell(texts: Texts, name: str, given: Embedded, labeled_n: Int64, seed: int, seconds: float = 0.0) -> Cell:
    classes = len(texts.classes)
    training = TrainingSet(
        given.train_ND[labeled_n],
        texts.train_labels_N[labeled_n],
        np.ones(len(labeled_n), np.bool_),
        np.ones(len(labeled_n), np.float32),
        None,
        texts.classes,
        DescribedClasses(given.names_CD, np.arange(classes), np.ones(classes, np.float32)),
    )
    pool = np.setdiff1d(np.arange(len(texts.train)), labeled_n)
    found: dict[str, float] = {}
    for learner, estimator in LEARNERS.items():
        model = train(training, given.train_ND[pool], parse_learner_spec(estimator, {}), seed, None)
        scores = evaluate(model, given.test_MD, texts.test_labels_M)
        found |= {learner: scores.accuracy, f"{learner}_f1": scores.macro_f1}
        if learner == "default":
            found |= {"held_out": _held_out(model), "default_ece": scores.ece}
    return Cell(texts.name, name, len(labeled_n), seed, seconds=round(seconds, 2), **found)


def _held_out(model: Model) -> float:
    """Expected macro-F1 of the chosen candidate on labels that it had not seen; 0 where nothing was compared."""
    choice = model.description.choice
    if choice is None:
        return 0.0
    chosen = (choice.candidate, choice.described)
    return max(
        (one.expected_macro_f1 for one in choice.scores if (one.candidate, one.described) == chosen), default=0.0
    )


def missing_cells(
    texts: Texts, by_encoder: dict[str, Embedded], options: argparse.Namespace, done: set[tuple[str, str, int, int]]
) -> Iterator[Cell]:
    """The cells of a set that are not there yet."""
    frozen = by_encoder[MINILM]
    for seed in range(options.seeds):
        order = np.random.default_rng(seed).permutation(len(texts.train))
        for size in options.sizes:
            labeled_n = order[:size]
            labels_n = texts.train_labels_N[labeled_n]

            def missing(name: str, size: int = size, seed: int = seed) -> bool:
                return (texts.name, name, size, seed) not in done

            for name, given in by_encoder.items():
                if missing(name):
                    yield cell(texts, name, given, labeled_n, seed)
            for name, adapt in ADAPTERS.items():
                if missing(name):
                    started = time.process_time()
                    change = adapt(frozen.train_ND, frozen.train_ND[labeled_n], labels_n)
                    given, seconds = frozen.mapped(change), time.process_time() - started
                    yield cell(texts, name, given, labeled_n, seed, seconds)
            if size in options.fine_tuned and missing(TUNED):
                started = time.process_time()
                given = fine_tuned(texts, labeled_n, seed)
                yield cell(texts, TUNED, given, labeled_n, seed, time.process_time() - started)


def whole_places(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of places that every representation but the fine-tuned one was run on."""
    wanted = {one.representation for one in cells} - {TUNED}
    there: dict[tuple[str, int, int], set[str]] = {}
    for one in cells:
        there.setdefault(one.place, set()).add(one.representation)
    return [one for one in cells if wanted <= there[one.place]]


def with_chosen(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, and for each place the one that the default learner's cross-validation would choose."""
    found: dict[tuple[str, int, int], list[Cell]] = {}
    for one in cells:
        if one.representation in (MINILM, *UNSUPERVISED):
            found.setdefault(one.place, []).append(one)
    chosen = (max(those, key=lambda one: one.held_out) for those in found.values())
    return [*cells, *(replace(one, representation=CHOSEN) for one in chosen)]


def table(cells: Sequence[Cell]) -> str:
    there = dict.fromkeys(one.representation for one in cells)
    encoders = [name for name in there if name == TUNED or not _adapts(name)]
    lines = [
        f"| set | tuned on | labels | {' | '.join(encoders)} |",
        f"| --- | --- | ---: | {' | '.join('---' for _ in encoders)} |",
    ]
    for name, labels in sorted({(one.set, one.labels) for one in cells}):
        row = [_mean(cells, name, labels, encoder) for encoder in encoders]
        lines.append(f"| {name} | {'yes' if name in TUNED_ON else 'no'} | {labels} | {' | '.join(row)} |")
    lines += ["", *_gains(cells)]
    return "\n".join(lines)


def _adapts(name: str) -> bool:
    return name in (*ADAPTERS, CHOSEN, TUNED)


def _mean(cells: Sequence[Cell], name: str, labels: int, representation: str) -> str:
    those = [one for one in cells if (one.set, one.labels, one.representation) == (name, labels, representation)]
    if not those:
        return ""
    return " / ".join(f"{np.mean([getattr(one, learner) for one in those]):.3f}" for learner in LEARNERS)


def _gains(cells: Sequence[Cell]) -> list[str]:
    """Differences to MiniLM as it is, in points of accuracy, over all sets that a representation was run on."""
    base = {one.place: one for one in cells if one.representation == MINILM}
    lines = [
        "| instead of MiniLM | labels | sets | plain | default | tuned on | not | worst set | ECE | CPU s |",
        "| --- | ---: | ---: | --- | --- | ---: | ---: | --- | --- | ---: |",
    ]
    for name in dict.fromkeys(one.representation for one in cells if one.representation != MINILM):
        for labels in sorted({one.labels for one in cells if one.representation == name}):
            those = [one for one in cells if (one.representation, one.labels) == (name, labels)]
            by_set = {learner: _by_set(those, base, learner) for learner in LEARNERS}
            gains = by_set["default"]
            parts = [[gains[one] for one in gains if (one in TUNED_ON) is tuned] for tuned in (True, False)]
            worst = min(gains, key=lambda one: gains[one])
            lines.append(
                f"| {name} | {labels} | {len(gains)} | {_interval(by_set['plain'])} | {_interval(gains)} "
                f"| {' | '.join(f'{np.mean(part):+.1f}' if part else '' for part in parts)} "
                f"| {gains[worst]:+.1f} {worst} | {_calibration(those, base)} "
                f"| {np.mean([one.seconds for one in those]):.1f} |"
            )
    return lines


def _calibration(cells: Sequence[Cell], base: dict[tuple[str, int, int], Cell]) -> str:
    """The calibration error of the default learner, and that of MiniLM at the same places; "" where it is not known."""
    errors = np.mean([(one.default_ece, base[one.place].default_ece) for one in cells], axis=0)
    return "" if np.isnan(errors).any() else f"{errors[0]:.3f}, MiniLM {errors[1]:.3f}"


def _by_set(cells: Sequence[Cell], base: dict[tuple[str, int, int], Cell], learner: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for one in cells:
        gain = getattr(one, learner) - getattr(base[one.place], learner)
        found.setdefault(one.set, []).append(100 * gain)
    return {name: float(np.mean(gains)) for name, gains in found.items()}


def _interval(by_set: dict[str, float]) -> str:
    gains: NDArray[np.float64] = np.array(list(by_set.values()))
    low, high = bootstrap_interval(gains)
    return f"{gains.mean():+.1f} ({low:+.1f} to {high:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default="", help="comma-separated; default: every set of the folder")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of labels")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fine-tuned", type=int, nargs="*", default=(), help="numbers of labels to tune encoders on")
    parser.add_argument("--results", type=Path, default=Path(".cache/benchmarks/representations.jsonl"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"), help="for embeddings made here")
    parser.add_argument("--document", type=Path, help="Markdown file with table markers to write the tables into")
    options = parser.parse_args()

    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.touch()
    encoders = installed_encoders()
    with options.results.open("r+", encoding="utf-8") as results:
        found = [Cell(**json.loads(line)) for line in results]
        done = {(one.set, one.representation, one.labels, one.seed) for one in found}
        for texts in load_texts(options.data, [name for name in options.sets.split(",") if name]):
            by_encoder = {name: embedded(texts, name, encode, options.cache) for name, encode in encoders.items()}
            for one in missing_cells(texts, by_encoder, options, done):
                found.append(one)
                results.write(json.dumps(asdict(one)) + "\n")
                results.flush()
    summary = table(with_chosen(whole_places(found)))
    print(summary)
    if options.document:
        write_table(options.document, summary)


if __name__ == "__main__":
    main()
