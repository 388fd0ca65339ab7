"""The sets by an encoder that `nextlabel tune-encoder` makes of their labels: all texts are embedded anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.learners.encoded_sets import Embedded, Float32, Int64, Texts, unit
from nextlabel.server.domain.learning.described import words
from nextlabel.server.learners.embedding.embedder import DEFAULT_MODEL


def fine_tuned(texts: Texts, labeled_n: Int64, seed: int) -> Embedded:
    """The set by the default encoder, tuned on the labels of these rows."""
    from nextlabel.server.tuning.encoders.training import EncoderSettings, tuned

    shown = [texts.train[row] for row in labeled_n.tolist()]
    model = tuned(DEFAULT_MODEL, shown, texts.train_labels_N[labeled_n], EncoderSettings(seed=seed))

    def encode(given: Sequence[str]) -> Float32:
        return unit(np.asarray(model.encode(list(given), show_progress_bar=False), np.float32))

    return Embedded(encode(texts.train), encode(texts.test), encode([words(name) for name in texts.classes]))
