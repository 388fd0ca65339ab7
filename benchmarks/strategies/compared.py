"""Strategies against random on every set of a data folder: runs what is missing, then writes the page and plots.

    python -m benchmarks.strategies.compared DATA_DIR --out docs/evidence

A set is a folder as in `labeled_sets.py`. Finished cells are kept in `--cells`: the command may be cut off and given
again, with more seeds, strategies, learners or sets; the page shows all that is there.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path

from benchmarks.learners.labeled_sets import set_folders
from benchmarks.strategies.evidence_page import Study, write_page
from nextlabel.client.items import Columns
from nextlabel.server.learners.embedding.embedder import Embedder
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.data.source import Source, load
from nextlabel.server.simulation.record import Record, identity_of
from nextlabel.server.simulation.settings import Protocol, check_strategies
from nextlabel.server.simulation.simulation import simulate

STRATEGIES = "random,margin,entropy,k_center,badge,typiclust,margin_kmeans,default"
COLUMNS = Columns(required=frozenset({"text", "label"}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default="", help="names with commas between; all by default")
    parser.add_argument("--learners", default="logistic_regression,default")
    parser.add_argument("--strategies", default=STRATEGIES)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--budget-labels", type=int, default=500)
    parser.add_argument("--pool-share", type=float, default=0.8)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--cells", type=Path, default=Path(".cache/benchmarks/strategies"))
    options = parser.parse_args()

    strategies = check_strategies([name for name in options.strategies.split(",") if name])
    studies = []
    for learner in options.learners.split(","):
        protocol = Protocol(
            options.batch_size, options.budget_labels, 0, 0.0, parse_learner_spec(learner, {}), options.pool_share
        )
        for folder in set_folders(options.data):
            if options.sets and folder.name not in options.sets.split(","):
                continue
            cells = options.cells / f"{folder.name}.{learner}"
            dataset = load_dataset(folder, options.cache)
            run_missing(dataset, protocol, strategies, options.seeds, options.workers, cells)
            record = Record(cells, identity_of(dataset, protocol))
            if record.full_data is not None:
                studies.append(Study(folder.name, learner, dataset, protocol, record.full_data, record.finished))
            print(f"{folder.name}, {learner}: {len(record.finished)} cells", flush=True)
    write_page(options.out, studies)


def load_dataset(folder: Path, cache: Path) -> Dataset:
    """A set with its ready embeddings, or with such as are made once and kept in `cache`."""
    source = Source(
        folder / "train.jsonl.gz",
        folder / "test.jsonl.gz",
        COLUMNS,
        _if_there(folder / "train.minilm.f16.npy"),
        _if_there(folder / "test.minilm.f16.npy"),
        cache,
    )
    return load(source, Embedder(), lambda what, total: nullcontext(lambda done: None), print)


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None


def run_missing(
    dataset: Dataset, protocol: Protocol, strategies: tuple[str, ...], seeds: int, workers: int, cells: Path
) -> None:
    """Runs the cells that are not there; with no seeds, none."""
    if seeds:
        simulate(dataset, protocol, strategies, range(seeds), workers=workers, out=cells)


if __name__ == "__main__":
    main()
