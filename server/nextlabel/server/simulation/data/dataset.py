"""A labeled pool and a test set as arrays, shared by all processes of a simulation."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.simulation.data.texts import LabeledTexts, label_space
from nextlabel.server.values.errors import InvalidArgument

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

_ARRAYS = ("pool_embeddings_ND", "pool_labels_N", "test_embeddings_MD", "test_labels_M")


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """What a simulation labels and tests on.

    Attributes:
        classes: class names in order; labels are indexes into it.
        item_ids: one a pool row; ties between picks break by it.
        removed_duplicates: training texts left out because they also are test texts.
    """

    classes: tuple[str, ...]
    item_ids: tuple[str, ...]
    pool_embeddings_ND: Float32
    pool_labels_N: Int64
    test_embeddings_MD: Float32
    test_labels_M: Int64
    removed_duplicates: int

    def __len__(self) -> int:
        return len(self.pool_labels_N)

    def drawn(self, size: int, seed: int) -> Self:
        """Return the set with ``size`` of the pool's rows, drawn uniformly by the seed alone, in their order."""
        if size >= len(self):
            return self
        rows = np.sort(np.random.default_rng([seed, len(self)]).choice(len(self), size, replace=False))
        return replace(
            self,
            item_ids=tuple(self.item_ids[row] for row in rows),
            pool_embeddings_ND=self.pool_embeddings_ND[rows],
            pool_labels_N=self.pool_labels_N[rows],
        )

    @property
    def digest(self) -> str:
        """A hash of everything that influences a simulation."""
        digest = hashlib.sha256(json.dumps([self.classes, self.item_ids]).encode())
        for name in _ARRAYS:
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(str(array.shape).encode())
            digest.update(array.data)
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the data set where other processes can map it into their memory."""
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        rest = {"classes": self.classes, "item_ids": self.item_ids, "removed_duplicates": self.removed_duplicates}
        (folder / "rest.json").write_text(json.dumps(rest), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map a saved data set; its pages are shared between processes."""
        rest = json.loads((folder / "rest.json").read_text(encoding="utf-8"))
        arrays = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in _ARRAYS}
        return cls(
            classes=tuple(rest["classes"]),
            item_ids=tuple(rest["item_ids"]),
            removed_duplicates=rest["removed_duplicates"],
            **arrays,
        )


def build_dataset(
    train: LabeledTexts, test: LabeledTexts, train_embeddings_ND: Float32, test_embeddings_MD: Float32
) -> Dataset:
    """Join texts and embeddings, without the training texts that also are test texts.

    Texts are the same when they differ in case and white space only.

    Raises:
        InvalidArgument: the dimensions differ, nothing is left to train on, or the classes do not fit.
    """
    if train_embeddings_ND.shape[1] != test_embeddings_MD.shape[1]:
        raise InvalidArgument.field(
            "test_embeddings",
            f"dimension {test_embeddings_MD.shape[1]}, but the training embeddings have "
            f"{train_embeddings_ND.shape[1]}; both must come from the same model",
        )
    test_texts = set(test.normalised)
    fresh = [row for row, text in enumerate(train.normalised) if text not in test_texts]
    if not fresh:
        raise InvalidArgument.field("train", "every text is a test text too; split the data into two disjoint files")
    kept = train.take(fresh)
    classes = label_space(kept, test)
    index = {name: i for i, name in enumerate(classes)}
    return Dataset(
        classes=classes,
        item_ids=kept.ids,
        pool_embeddings_ND=train_embeddings_ND[fresh],
        pool_labels_N=np.array([index[label] for label in kept.labels], np.int64),
        test_embeddings_MD=test_embeddings_MD,
        test_labels_M=np.array([index[label] for label in test.labels], np.int64),
        removed_duplicates=len(train) - len(fresh),
    )
