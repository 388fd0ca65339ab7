"""An encoder tuned on labeled texts: those of a class come closer to each other than to the others.

Triplets of labeled texts (batch all: Hermans, Beyer and Leibe 2017, 1703.07737), as SetFit (Tunstall et al. 2022,
2209.11055) does with pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nextlabel.server.learners.embedding.embedder import load_encoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Int64 = NDArray[np.int64]

LEAST_OF_CLASS = 3
MARGIN = 0.25
"""Of cosine distance. The library's own, 5, is more than any two directions are apart, and tears classes up."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How an encoder is tuned.

    Attributes:
        steps: batches of texts, at least 1.
        batch_size: texts in each, at least 6.
        learning_rate: of the first step; it falls to 0.
        seed: of the order of texts.
    """

    steps: int = 100
    batch_size: int = 24
    learning_rate: float = 2e-5
    seed: int = 0


def tuned(
    base: str,
    texts: Sequence[str],
    labels_n: Int64,
    settings: EncoderSettings,
    told: Callable[[int], None] = lambda step: None,
) -> SentenceTransformer:
    """Return an encoder tuned on n texts with their classes; ``told`` hears of each step that is done.

    Args:
        base: name or folder of the encoder to begin with.

    Raises:
        FailedPrecondition: the base cannot be loaded.
    """
    from sentence_transformers.sentence_transformer.losses import (
        BatchAllTripletLoss,
        BatchHardTripletLossDistanceFunction,
    )

    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    model = load_encoder(base, torch.float32)
    loss = BatchAllTripletLoss(model, BatchHardTripletLossDistanceFunction.cosine_distance, MARGIN)
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, settings.steps)
    model.train()
    for step in range(settings.steps):
        rows = _batch(labels_n, settings.batch_size, rng)
        features = model.preprocess([texts[row] for row in rows.tolist()])
        optimizer.zero_grad()
        loss([features], torch.from_numpy(labels_n[rows])).backward()
        optimizer.step()
        schedule.step()
        told(step + 1)
    model.eval()
    return model


def _batch(labels_n: Int64, size: int, rng: np.random.Generator) -> Int64:
    """Rows of a few classes, some of each, so that there are triplets."""
    order = rng.permutation(len(labels_n))
    of_classes = rng.permutation(np.unique(labels_n))[: size // LEAST_OF_CLASS]
    few = size // len(of_classes)
    return np.concatenate([order[labels_n[order] == label][:few] for label in of_classes])
