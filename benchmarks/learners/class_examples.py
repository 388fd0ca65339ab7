"""What texts that are typical of classes are worth: as examples in the label space, and as labels.

    python -m benchmarks.learners.class_examples DATA_DIR --seeds 10

The default learner on the same random labels: with the names of the classes, with three examples of each beside them,
and with these texts as labels instead. Accuracy and macro-F1 on the test part, means over the seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.learners.labeled_sets import LabeledSet, load_class_names, load_set, set_folders
from benchmarks.learners.representations import SIZES
from nextlabel.server.learners.evaluation import evaluate
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import DescribedClasses, Float32, Int64, TrainingSet

EXAMPLES = 3
POOL_ROWS = 2_000
Scores = tuple[float, float]


def scores(data: LabeledSet, names_CD: Float32, seed: int, size: int) -> Iterator[Scores]:
    """The scores with names, with examples, and with as many more labels."""
    order = np.random.default_rng(seed).permutation(len(data.train_labels_N))
    classes = np.arange(len(data.classes))
    examples = np.concatenate([order[data.train_labels_N[order] == one][:EXAMPLES] for one in classes])
    rest = order[~np.isin(order, examples)]
    labeled, pool_m = rest[:size], rest[size : size + POOL_ROWS]
    named = DescribedClasses(names_CD, classes, np.ones(len(classes), np.float32))
    shown = DescribedClasses(
        np.concatenate([names_CD, data.train_embeddings_ND[examples]]),
        np.concatenate([classes, data.train_labels_N[examples]]),
        np.ones(len(classes) + len(examples), np.float32),
    )
    yield _scores(data, labeled, pool_m, named, seed)
    yield _scores(data, labeled, pool_m, shown, seed)
    yield _scores(data, np.concatenate([labeled, examples]), pool_m, named, seed)


def _scores(data: LabeledSet, labeled_n: Int64, pool_m: Int64, described: DescribedClasses, seed: int) -> Scores:
    training = TrainingSet(
        data.train_embeddings_ND[labeled_n],
        data.train_labels_N[labeled_n],
        np.ones(len(labeled_n), np.bool_),
        np.ones(len(labeled_n), np.float32),
        None,
        data.classes,
        described,
    )
    model = train(training, data.train_embeddings_ND[pool_m], parse_learner_spec("default", {}), seed, None)
    found = evaluate(model, data.test_embeddings_MD, data.test_labels_M)
    return found.accuracy, found.macro_f1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", help="default: every set of the folder")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of labels")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"), help="for embeddings made here")
    options = parser.parse_args()

    print("| set | labels | names | with examples | as labels |\n| --- | ---: | --- | --- | --- |")
    for folder in set_folders(options.data):
        if options.sets and folder.name not in options.sets:
            continue
        data = load_set(folder, options.cache)
        names_CD = load_class_names(data, options.cache)
        for size in options.sizes:
            found = [list(scores(data, names_CD, seed, size)) for seed in range(options.seeds)]
            cells = (f"{accuracy:.3f} / {macro_f1:.3f}" for accuracy, macro_f1 in np.mean(found, axis=0))
            print(f"| {data.name} | {size} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
