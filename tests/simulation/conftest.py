import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.settings import Protocol

CLASSES = ("cooking", "sports", "weather")


def blobs(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds of unit vectors, one a class: (rows, 16) float32 and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), rows)
    centers = np.random.default_rng(7).normal(size=(len(CLASSES), 16))
    points = centers[labels] + rng.normal(scale=1.6, size=(rows, 16))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    pool_ND, pool_labels_N = blobs(300, 1)
    test_MD, test_labels_M = blobs(200, 2)
    return Dataset(
        classes=CLASSES,
        item_ids=tuple(f"item-{row:03d}" for row in range(len(pool_ND))),
        pool_embeddings_ND=pool_ND,
        pool_labels_N=pool_labels_N,
        test_embeddings_MD=test_MD,
        test_labels_M=test_labels_M,
        removed_duplicates=0,
    )


@pytest.fixture
def protocol() -> Callable[..., Protocol]:
    def make(**changes: Any) -> Protocol:
        learner = parse_learner_spec(changes.pop("learner", "logistic_regression"), {})
        settings = {"batch_size": 10, "budget_labels": 40, "seed_labels": 0, "noise": 0.0, "pool_share": 1.0, **changes}
        return Protocol(**settings, learner=learner)

    return make


@dataclass(frozen=True)
class Files:
    """A labeled pool and test set with embeddings on disk."""

    train: Path
    test: Path
    train_embeddings: Path
    test_embeddings: Path

    def arguments(self, *more: str) -> list[str]:
        """Arguments of the command, small enough to run in a moment."""
        return [
            *(str(self.train), "--test", str(self.test)),
            *("--embeddings", str(self.train_embeddings), "--test-embeddings", str(self.test_embeddings)),
            *("--strategies", "random,margin", "--seeds", "2", "--batch-size", "10", "--budget-labels", "30"),
            *("--learner", "logistic_regression", "--workers", "1", *more),
        ]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    found = Files(*(tmp_path / name for name in ("train.jsonl", "test.jsonl", "train.npy", "test.npy")))
    for path, matrix_path, rows, seed in (
        (found.train, found.train_embeddings, 120, 1),
        (found.test, found.test_embeddings, 60, 2),
    ):
        matrix, labels = blobs(rows, seed)
        np.save(matrix_path, matrix.astype(np.float16))
        write_rows(path, [{"text": f"{path.stem} {i}", "label": CLASSES[c]} for i, c in enumerate(labels)])
    return found


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
