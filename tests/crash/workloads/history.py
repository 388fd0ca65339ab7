"""What the clients of the workload asked for and what they were told: the model that a server's state is held against.

Everything a client sends follows from its name, so that the model is small: an item's text and embedding from its id,
an annotator's answer from the item and the annotator. What was sent may have happened; what was acknowledged must have.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

CLASSES = ("red", "green", "blue")
DIMENSION = 8
OVERLAP = 2
REPLAY_SET = "known"


@dataclass(slots=True)
class Acknowledged:
    """What a project's clients were told has happened. Annotations are (item id, annotator) pairs.

    `models` has the number of labels by version, `runs` the limit of labels and `ended_runs` the stop reason by id.
    """

    created: bool = False
    items: set[str] = field(default_factory=set)
    annotations: set[tuple[str, str]] = field(default_factory=set)
    leases: set[str] = field(default_factory=set)
    models: dict[int, int] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    ended_runs: dict[str, int] = field(default_factory=dict)
    limits: int = 0
    deleted_projects: set[str] = field(default_factory=set)


@dataclass(slots=True)
class ProjectHistory:
    """One project as its clients know it: what they sent, and what was acknowledged."""

    name: str
    sent_items: set[str] = field(default_factory=set)
    sent_annotations: set[tuple[str, str]] = field(default_factory=set)
    sent_limits: int = 0
    known: Acknowledged = field(default_factory=Acknowledged)

    def promises(self) -> Acknowledged:
        """Return what is acknowledged now, and so must be found from now on."""
        return copy.deepcopy(self.known)


def text_of(item_id: str) -> str:
    """Return the text that an item of this id has."""
    return f"What {item_id} says."


def label_of(item_id: str) -> str:
    """Return the known label of an item."""
    return CLASSES[zlib.crc32(item_id.encode()) % len(CLASSES)]


def answer_of(item_id: str, annotator: str) -> str:
    """Return what a person answers about an item: mostly the known label."""
    salted = zlib.crc32(f"{annotator}/{item_id}".encode())
    return CLASSES[salted % len(CLASSES)] if salted % 10 == 0 else label_of(item_id)


def embeddings_of(item_ids: Iterable[str]) -> NDArray[np.float16]:
    """Return an (n, DIMENSION) matrix in which the classes lie apart."""
    ids = list(item_ids)
    matrix = np.empty((len(ids), DIMENSION), np.float32)
    for row, item_id in enumerate(ids):
        matrix[row] = np.random.default_rng(zlib.crc32(item_id.encode())).normal(size=DIMENSION)
        matrix[row, CLASSES.index(label_of(item_id))] += 3.0
    return matrix.astype(np.float16)
