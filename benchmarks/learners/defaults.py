"""What the learner's defaults were chosen by: accuracy of other values, as differences to the default in points.

    python -m benchmarks.learners.defaults DATA_DIR --seeds 3

Prints a Markdown table: one row a variant, one column a set (mean over the sizes and seeds). Variants of the plain
estimator are compared with the plain estimator, variants of a recipe with that recipe. Seeds start at 100, so that
no label set is shared with ``learner.py``.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.learners.labeled_sets import LabeledSet, load_set, set_folders
from nextlabel.server.learners.candidates.candidates import RECIPES
from nextlabel.server.learners.candidates.description import LearnerCandidate
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.candidates.logistic import LogisticSettings
from nextlabel.server.learners.candidates.neighbours import neighbour_graph, walk
from nextlabel.server.learners.candidates.pool_training import PoolRecipe, WeightedLabels, train_with_pool
from nextlabel.server.learners.single_label.learner import MAX_POOL_SAMPLE

FIRST_SEED = 100
SIZES = (20, 100, 500)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Labels, a pool sample and the walk's opinion of it, on one set."""

    labels: WeightedLabels
    pool_MD: NDArray[np.float32]
    walk_MC: NDArray[np.float32]
    settings: LogisticSettings

    def recipe(self, recipe: PoolRecipe) -> TrainedHead:
        walk_MC = self.walk_MC if recipe.graph else None
        return train_with_pool(self.labels, self.pool_MD, walk_MC, recipe, self.settings)


def make_case(data: LabeledSet, n: int, seed: int, with_walk: bool) -> Case:
    order = np.random.default_rng(seed).permutation(len(data.train_labels_N))
    labeled, pool = order[:n], order[n:][:MAX_POOL_SAMPLE]
    labels = WeightedLabels(data.train_embeddings_ND[labeled], data.train_labels_N[labeled], np.ones(n, np.float32))
    pool_MD = data.train_embeddings_ND[pool]
    walk_MC = np.empty((0, len(data.classes)), np.float32)
    if with_walk:
        graph = neighbour_graph(np.concatenate([labels.embeddings_ND, pool_MD]))
        walk_MC = walk(graph, np.arange(n), labels.labels_N, labels.weights_N, len(data.classes))[n:]
    return Case(labels, pool_MD, walk_MC, LogisticSettings(len(data.classes)))


def accuracy(head: TrainedHead, data: LabeledSet, centre_D: NDArray[np.float32] | float = 0.0) -> float:
    predicted = head.logits(np.asarray(data.test_embeddings_MD - centre_D, np.float32)).argmax(axis=1)
    return float((predicted == data.test_labels_M).mean())


def plain_variants(data: LabeledSet, case: Case) -> Iterator[tuple[str, float]]:
    labels, settings = case.labels, case.settings
    yield "plain: C = 10, balanced (default)", accuracy(labels.fit(settings), data)
    for c in (1.0, 3.0, 30.0, 100.0):
        yield f"plain: C = {c:g}", accuracy(labels.fit(replace(settings, C=c)), data)
    yield "plain: uniform class weights", accuracy(labels.fit(replace(settings, balanced=False)), data)
    centre = case.pool_MD.mean(axis=0)
    centred = replace(labels, embeddings_ND=labels.embeddings_ND - centre)
    yield "plain: embeddings centred on the pool", accuracy(centred.fit(settings), data, centre)


def recipe_variants(data: LabeledSet, case: Case) -> Iterator[tuple[str, float]]:
    changes: list[tuple[str, Callable[[PoolRecipe], PoolRecipe]]] = [
        ("(default)", lambda recipe: recipe),
        ("mass 1.5", lambda recipe: replace(recipe, mass=1.5)),
        ("mass 15", lambda recipe: replace(recipe, mass=15.0)),
        ("1 round", lambda recipe: replace(recipe, rounds=1)),
        ("6 rounds", lambda recipe: replace(recipe, rounds=6)),
    ]
    for candidate in (LearnerCandidate.SELF_TRAINING, LearnerCandidate.AGREEMENT, LearnerCandidate.BALANCED_AGREEMENT):
        for name, change in changes:
            yield f"{candidate}: {name}", accuracy(case.recipe(change(RECIPES[candidate])), data)


def table(results: dict[str, dict[str, list[float]]], sets: list[str]) -> str:
    lines = ["| variant | " + " | ".join(sets) + " | mean |", "| --- |" + " ---: |" * (len(sets) + 1)]
    for variant, by_set in results.items():
        family = variant.partition(":")[0]
        reference = next((v for v in results if v.startswith(f"{family}:") and v.endswith("(default)")), None)
        if reference is None:
            continue
        if variant == reference:
            means = [100 * float(np.mean(by_set[name])) for name in sets]
            cells = [f"{mean:.1f}" for mean in means]
        else:
            means = [100 * float(np.mean(by_set[name]) - np.mean(results[reference][name])) for name in sets]
            cells = [f"{mean:+.1f}" for mean in means]
        total = f"{np.mean(means):.1f}" if variant == reference else f"{np.mean(means):+.1f}"
        lines.append(f"| {variant} | " + " | ".join(cells) + f" | {total} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plain-only", action="store_true", help="leave out the recipes, which take long")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    options = parser.parse_args()

    results: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    folders = set_folders(options.data)
    for folder in folders:
        data = load_set(folder, options.cache)
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            for n in SIZES:
                case = make_case(data, n, seed, with_walk=not options.plain_only)
                variants = list(plain_variants(data, case))
                if not options.plain_only:
                    variants += recipe_variants(data, case)
                for variant, value in variants:
                    results[variant][data.name].append(value)
    print(table(results, [folder.name for folder in folders]))


if __name__ == "__main__":
    main()
