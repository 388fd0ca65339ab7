"""What a multi-label learner is trained on: embeddings, which classes apply, and how far that may be trusted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.multi_label.heads import Answers
from nextlabel.server.learners.targets import counted
from nextlabel.server.learners.training import DescribedClasses, InvalidTrainingSetError

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class MultiLabelTraining:
    """The answers known so far.

    Attributes:
        embeddings_ND: finite float32, one row an annotated item.
        targets_NC: float32 in [0, 1], how probable it is that each class applies.
        trusted_N: True for answers of people or a replay of known truth; others count `UNTRUSTED_WEIGHT`.
        classes: the label space, in order; not every class needs to occur.
        parents_C: the place of the class that each one is a kind of, -1 for none; empty where no class is one.
        described: texts that describe the classes, embedded as the items are, or None where there are none.

    Raises:
        InvalidTrainingSetError: if shapes or values do not fit.
    """

    embeddings_ND: Float32
    targets_NC: Float32
    trusted_N: NDArray[np.bool_]
    classes: tuple[str, ...]
    described: DescribedClasses | None = None
    parents_C: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.embeddings_ND)
        if self.targets_NC.shape != (n, len(self.classes)) or self.trusted_N.shape != (n,):
            raise InvalidTrainingSetError(
                f"targets_NC has shape {self.targets_NC.shape} and trusted_N {self.trusted_N.shape}; "
                f"expected {(n, len(self.classes))} and {(n,)}"
            )
        if not np.isfinite(self.embeddings_ND).all():
            raise InvalidTrainingSetError("embeddings_ND holds NaN or infinity; embed the items again")
        if n and not (self.targets_NC.min() >= 0 and self.targets_NC.max() <= 1):
            raise InvalidTrainingSetError("targets_NC must lie in [0, 1]")

    def __len__(self) -> int:
        return len(self.embeddings_ND)

    @property
    def n_classes(self) -> int:
        """Size of the label space."""
        return len(self.classes)

    @property
    def has_kinds(self) -> bool:
        """Whether any class is a kind of another one."""
        return any(parent >= 0 for parent in self.parents_C)

    @property
    def answers(self) -> Answers:
        """The answers with their weights; trusted ones count in full."""
        weights_NC = np.repeat(counted(self.trusted_N)[:, None], self.n_classes, axis=1)
        return Answers(self.embeddings_ND, self.targets_NC.astype(np.float64), weights_NC)

    def stretched(self, factor: float) -> MultiLabelTraining:
        """The same with all embeddings multiplied by a factor."""
        described = None if self.described is None else self.described.stretched(factor)
        return replace(self, embeddings_ND=self.embeddings_ND * np.float32(factor), described=described)

    def take(self, rows_n: NDArray[np.int64]) -> MultiLabelTraining:
        """The training set of these rows, repeats allowed (a bootstrap sample is one)."""
        kept = self.embeddings_ND[rows_n], self.targets_NC[rows_n], self.trusted_N[rows_n]
        return replace(self, embeddings_ND=kept[0], targets_NC=kept[1], trusted_N=kept[2])
