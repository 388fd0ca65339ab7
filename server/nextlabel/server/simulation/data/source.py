"""From two files to a data set."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from nextlabel.client.items import Columns
from nextlabel.server.learners.embedding.cache import TextEmbedder
from nextlabel.server.simulation.data.dataset import Dataset, Float32, build_dataset
from nextlabel.server.simulation.data.embeddings import cached_embeddings, read_embeddings
from nextlabel.server.simulation.data.texts import LabeledTexts, read_labeled_texts
from nextlabel.server.values.errors import InvalidArgument

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]
"""Opens a progress display of something with a total, and yields what sets how much is done."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the labeled texts and their embeddings come from.

    Attributes:
        train: file of the pool.
        test: file of the test set.
        columns: names of the columns in both.
        train_embeddings: ``.npy`` matrix with a row for each training text, or None to compute them.
        test_embeddings: the same for the test texts; given with ``train_embeddings`` or not at all.
        cache: folder of computed embeddings.
    """

    train: Path
    test: Path
    columns: Columns
    train_embeddings: Path | None
    test_embeddings: Path | None
    cache: Path

    def __post_init__(self) -> None:
        if (self.train_embeddings is None) != (self.test_embeddings is None):
            missing = "embeddings" if self.train_embeddings is None else "test_embeddings"
            raise InvalidArgument.field(missing, "missing; give the embeddings of both files, or of neither")


def load(source: Source, embedder: TextEmbedder, progress: Progress, warn: Callable[[str], object]) -> Dataset:
    """Read the texts, embed them where that is needed, and say what was left out.

    Raises:
        InvalidArgument: a file or column is wrong, or the two files do not fit.
    """
    train = _read(source.train, source.columns, "train", warn)
    test = _read(source.test, source.columns, "test", warn)
    train_ND = _embed(train, source.train_embeddings, "embeddings", source.cache, embedder, progress)
    test_MD = _embed(test, source.test_embeddings, "test_embeddings", source.cache, embedder, progress)
    dataset = build_dataset(train, test, train_ND, test_MD)
    if dataset.removed_duplicates:
        warn(f"{dataset.removed_duplicates} training texts left out: they are test texts too")
    return dataset


def _read(path: Path, columns: Columns, field: str, warn: Callable[[str], object]) -> LabeledTexts:
    texts = read_labeled_texts(path, columns, field)
    if texts.problem_count:
        first = texts.problems[0]
        warn(f"{field}: {texts.problem_count} malformed lines passed over; line {first.line}: {first.message}")
    return texts


def _embed(
    texts: LabeledTexts, ready: Path | None, field: str, cache: Path, embedder: TextEmbedder, progress: Progress
) -> Float32:
    if ready is not None:
        return read_embeddings(ready, len(texts), field)
    with progress(f"embedding {len(texts):,} texts", len(texts)) as advance:
        return cached_embeddings(texts.texts, embedder, cache, advance)
