"""Small synthetic label spaces for the learner's tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.training import TrainingSet


@dataclass(frozen=True)
class Blobs:
    """Unit vectors around one centre a class; `labels` are indexes of `classes`."""

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def training(self, rows: slice | NDArray[np.int64], *, trusted: bool = True) -> TrainingSet:
        labels = self.labels[rows]
        return TrainingSet(
            embeddings_ND=self.embeddings[rows],
            labels_N=labels,
            trusted_N=np.full(len(labels), trusted),
            weights_N=np.ones(len(labels), np.float32),
            probabilities_NC=None,
            classes=self.classes,
        )


def make_blobs(n: int, n_classes: int, dimension: int, spread: float, seed: int = 0) -> Blobs:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_classes, dimension))
    labels = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    points = centres[labels] + spread * rng.normal(size=(n, dimension))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    classes = tuple(f"class {c}" for c in range(n_classes))
    return Blobs(points.astype(np.float32), labels, classes)
