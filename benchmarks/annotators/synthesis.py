"""Real GPT-4 texts through the gate: is training with what it lets through ever below training on real texts alone?

    python -m benchmarks.annotators.synthesis DATA_DIR --seeds 10

DATA_DIR holds ``synthetic_gpt4`` and ``clinc10``. For each task and seed some real labels are drawn; of the written
texts the gate sees up to 40 a class, with the test texts as holdout and a learner of the drawn labels as judge. What
passes is added where `usefulness` proves a gain. Both learners are measured on the test texts and the real texts not
drawn; also the rarer half of the classes by itself. Then 50 hand-written paraphrases of holdout items
(``paraphrases.tsv`` beside this file) are planted.
"""

from __future__ import annotations

import argparse
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.assessment.synthesis.gate import SAME_MEANING, Candidates, RealTexts, rule
from nextlabel.server.learners.candidates.logistic import LogisticSettings, fit_logistic
from nextlabel.server.learners.truths import ClassTruth
from nextlabel.server.learners.usefulness import WEIGHT, WrittenTexts, usefulness
from nextlabel.server.values.synthesis import Verdict

SIZES = (60, 200)
PER_CLASS = 40
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    texts: list[str]
    embeddings: Float32
    labels: NDArray[np.int64]
    seeds: list[str]


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def load(folder: Path, part: str, column: str, cache: Path, classes: list[str]) -> Texts:
    found = rows(folder / f"{part}.jsonl.gz")
    texts = [str(row[column]) for row in found]
    ready = cache / f"{folder.name}.{part}.npy"
    if not ready.exists():
        from nextlabel.server.learners.embedding.embedder import Embedder

        cache.mkdir(parents=True, exist_ok=True)
        np.save(ready, Embedder().embed(texts))
    labels = np.array([classes.index(row["target"]) for row in found], np.int64)
    return Texts(texts, unit(np.load(ready)), labels, [str(row["text"]) for row in found])


def unit(matrix: NDArray[Any]) -> Float32:
    floats = np.asarray(matrix, np.float32)
    return np.asarray(floats / np.linalg.norm(floats, axis=1, keepdims=True), np.float32)


def macro_f1(truth: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    scores = []
    for c in np.unique(truth):
        hits = np.count_nonzero((truth == c) & (found == c))
        scores.append(2 * hits / (np.count_nonzero(truth == c) + np.count_nonzero(found == c)))
    return float(np.mean(scores))


def rare_f1(truth: NDArray[np.int64], found: NDArray[np.int64], drawn: NDArray[np.int64], n_classes: int) -> float:
    """Macro-F1 of the half of the classes that have fewest drawn labels."""
    rare = np.argsort(np.bincount(drawn, minlength=n_classes), kind="stable")[: n_classes // 2]
    scores = []
    for c in rare[np.isin(rare, truth)]:
        hits = np.count_nonzero((truth == c) & (found == c))
        scores.append(2 * hits / (np.count_nonzero(truth == c) + np.count_nonzero(found == c)))
    return float(np.mean(scores))


def trial(train: Texts, test: Texts, written: Texts, n_classes: int, size: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(train.labels))
    drawn, rest = order[:size], order[size:]
    real, labels = train.embeddings[drawn], train.labels[drawn]
    settings = LogisticSettings(n_classes)
    plain = fit_logistic(real, labels, np.ones(size, np.float32), settings)
    chosen: list[int] = []
    seen = 0
    refused: dict[str, int] = {}
    for c in range(n_classes):
        offered = rng.permutation(np.flatnonzero(written.labels == c))[:PER_CLASS]
        seen += len(offered)
        embeddings = written.embeddings[offered]
        agrees = plain.logits(embeddings).argmax(axis=1) == c
        candidates = Candidates([written.texts[i] for i in offered], embeddings, agrees, [""] * len(offered))
        own = [len(train.texts[i]) for i in drawn if train.labels[i] == c]
        nearest = (embeddings @ train.embeddings.T).max(axis=1)
        held = RealTexts(test.texts, test.embeddings, nearest, own)
        for i, ruling in zip(offered, rule(candidates, held, max(20, len(own))), strict=True):
            refused[ruling.verdict] = refused.get(ruling.verdict, 0) + 1
            if ruling.verdict is Verdict.PASSED:
                chosen.append(int(i))
    place = {train.texts[i]: k for k, i in enumerate(drawn)}
    seeds = np.zeros((len(chosen), size), np.bool_)
    for s, i in enumerate(chosen):
        if written.seeds[i] in place:
            seeds[s, place[written.seeds[i]]] = True
    texts = WrittenTexts(written.embeddings[chosen], written.labels[chosen], seeds)
    found = usefulness(real, ClassTruth(labels, n_classes), texts)
    joined = fit_logistic(
        np.concatenate([real, texts.embeddings_SD]),
        np.concatenate([labels, texts.targets_S]),
        np.concatenate([np.ones(size, np.float32), np.full(len(chosen), WEIGHT, np.float32)]),
        settings,
    )
    truth = np.concatenate([test.labels, train.labels[rest]])
    measured = np.concatenate([test.embeddings, train.embeddings[rest]])
    without, always = (head.logits(measured).argmax(axis=1) for head in (plain, joined))
    used = found is not None and found.helps
    with_gate = always if used else without
    return {
        "used": used,
        "offered": seen,
        "passed": len(chosen),
        "refused": refused,
        "plain": float((without == truth).mean()),
        "accuracy": float((with_gate == truth).mean() - (without == truth).mean()),
        "macro_f1": macro_f1(truth, with_gate) - macro_f1(truth, without),
        "rare_f1": rare_f1(truth, with_gate, labels, n_classes) - rare_f1(truth, without, labels, n_classes),
        "always": float((always == truth).mean() - (without == truth).mean()),
        "always_f1": macro_f1(truth, always) - macro_f1(truth, without),
    }


def told(values: list[float]) -> str:
    found = np.array(values) * 100
    means = np.random.default_rng(0).choice(found, (10_000, len(found))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{found.mean():+.2f} ({low:+.2f} to {high:+.2f})"


def planted(folder: Path, own: Path, cache: Path) -> str:
    """How many of the planted paraphrases, and of real training texts, are refused as contamination."""
    test = rows(folder / "test.jsonl.gz")
    lines = [line.split("\t") for line in own.read_text(encoding="utf-8").splitlines()]
    texts = [text for _, text in lines]
    ready = cache / "paraphrases.npy"
    if not ready.exists():
        from nextlabel.server.learners.embedding.embedder import Embedder

        np.save(ready, Embedder().embed(texts))
    holdout, train = (unit(np.load(folder / f"{part}.minilm.f16.npy")) for part in ("test", "train"))
    embeddings = unit(np.load(ready))
    candidates = Candidates(texts, embeddings, np.ones(len(texts), np.bool_), [""] * len(texts))
    held = RealTexts([row["text"] for row in test], holdout, np.full(len(texts), -1, np.float32), [])
    found = sum(ruling.verdict is Verdict.CONTAMINATED for ruling in rule(candidates, held, len(texts)))
    honest = float(((train[:2000] @ holdout.T).max(axis=1) >= SAME_MEANING).mean())
    return (
        f"Planted paraphrases of holdout items found: {found} of {len(texts)}. Of real training texts of the same set, "
        f"{honest:.0%} are as close to one of its {len(test):,} holdout items and would be refused with them."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0, help="the others follow it")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"), help="for embeddings made here")
    options = parser.parse_args()
    print(
        "| task | real labels | without | passed | used | accuracy | macro-F1 | of the rarer half | "
        "if always used: accuracy | macro-F1 |"
    )
    print("| --- | ---: | ---: | ---: | ---: | --- | --- | --- | --- | --- |")
    for folder in sorted(path for path in (options.data / "synthetic_gpt4").iterdir() if path.is_dir()):
        classes = sorted({row["target"] for row in rows(folder / "train.jsonl.gz")})
        train, test = (load(folder, part, "text", options.cache, classes) for part in ("train", "test"))
        written = load(folder, "balanced_gpt-4_augmented", "augmented_text", options.cache, classes)
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        for size in SIZES:
            trials = [trial(train, test, written, len(classes), size, seed) for seed in seeds]
            passed = sum(t["passed"] for t in trials) / sum(t["offered"] for t in trials)
            plain = np.mean([t["plain"] for t in trials])
            told_of = [
                told([t[key] for t in trials]) for key in ("accuracy", "macro_f1", "rare_f1", "always", "always_f1")
            ]
            used = sum(t["used"] for t in trials)
            print(
                f"| {folder.name} | {size} | {plain:.3f} | {passed:.0%} | {used} of {len(trials)} | "
                + " | ".join(told_of)
                + " |",
                flush=True,
            )
    print("\n" + planted(options.data / "clinc10", Path(__file__).with_name("paraphrases.tsv"), options.cache))


if __name__ == "__main__":
    main()
