"""The encoder itself trained on triplets of labeled texts (batch all, Hermans et al. 2017), as SetFit does with pairs.

SetFit: Tunstall et al. 2022. The tuned encoder embeds all texts anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.learners.encoded_sets import Embedded, Float32, Int64, Texts, unit
from nextlabel.server.domain.learning.described import words
from nextlabel.server.learners.embedding.embedder import DEFAULT_MODEL, load_encoder

STEPS, BATCH, RATE = 100, 24, 2e-5


def fine_tuned(texts: Texts, labeled_n: Int64, seed: int) -> Embedded:
    """The set by the default encoder, tuned on the labels of these rows."""
    import torch
    from sentence_transformers.sentence_transformer.losses import BatchAllTripletLoss

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = load_encoder(DEFAULT_MODEL, torch.float32)
    loss = BatchAllTripletLoss(model)
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    model.train()
    for _ in range(STEPS):
        rows = _batch(texts.train_labels_N, labeled_n, rng)
        features = model.preprocess([texts.train[row] for row in rows])
        optimizer.zero_grad()
        loss([features], torch.from_numpy(texts.train_labels_N[rows])).backward()
        optimizer.step()
    model.eval()

    def encode(given: Sequence[str]) -> Float32:
        return unit(np.asarray(model.encode(list(given), show_progress_bar=False), np.float32))

    return Embedded(encode(texts.train), encode(texts.test), encode([words(name) for name in texts.classes]))


def _batch(labels_N: Int64, labeled_n: Int64, rng: np.random.Generator) -> Int64:
    """Labeled rows of a few classes, some of each, so that there are triplets."""
    order = rng.permutation(labeled_n)
    of_classes = rng.permutation(np.unique(labels_N[labeled_n]))[: BATCH // 3]
    few = BATCH // len(of_classes)
    return np.concatenate([order[labels_N[order] == label][:few] for label in of_classes])
