"""What goes into a pool, one at a time and by column."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray


@dataclass(frozen=True, slots=True)
class Item:
    """A text to label, or a `pair` of texts of which one may be better; then `text` is what both answer, if anything.

    Without an `id` it gets `content_id(text)`, or that of the pair. `label` is the known answer of holdout and gold
    items: a class name, several of them, a number, `a`, `b` or `tie`, or a text, as the project asks for. `metadata`
    holds JSON values.
    """

    text: str = ""
    id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    label: Any = None
    pair: tuple[str, str] | None = None


WRITTEN = "nextlabel_synthetic"
"""The column by which texts that an LLM wrote are marked: true is kept as metadata whether it is chosen or not.

It is a name of our own, so that no column of a user is taken for the mark.
"""


def is_written(value: object) -> bool:
    """Whether a value of that column marks a text; files of some kinds hold true as a word.

    >>> is_written(True), is_written("True"), is_written(None), is_written("no")
    (True, True, False, False)
    """
    return str(value).casefold() == "true"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table or keys of a dict hold what.

    `metadata` names the columns that become metadata, `pair` those of two texts to compare. `required` are the roles
    (text, id, label) whose column has to be there; where another one is missing, the items have none. A column that is
    None is not read.
    """

    text: str = "text"
    id: str | None = "id"
    label: str | None = "label"
    metadata: tuple[str, ...] = ()
    required: frozenset[str] = frozenset({"text"})
    pair: tuple[str, str] | None = None

    @property
    def names(self) -> frozenset[str]:
        """All columns that are read."""
        named = (self.text, self.id, self.label, *self.metadata, *(self.pair or ()))
        return frozenset(name for name in named if name is not None)


@dataclass(frozen=True, slots=True)
class Rows:
    """A block of n items by column; each column that is there has length n.

    Texts, ids and labels are what the source holds: they are checked when they are encoded. `numbers` tell the
    rows in reports: their positions from 0, for a text file its lines from 1. `embeddings_ND` has a row for each.
    `labels_were_given` one by one, not found in a column of their name. `annotators` are those who gave the labels, ""
    where that is not known. `pairs` are the two texts of each row; None of one without.
    """

    numbers: Sequence[int]
    texts: Sequence[Any]
    ids: Sequence[Any] | None = None
    labels: Sequence[Any] | None = None
    metadata: Sequence[Mapping[str, Any]] | None = None
    embeddings_ND: "ndarray[Any, Any] | None" = None
    labels_were_given: bool = False
    annotators: Sequence[str] | None = None
    pairs: Sequence[tuple[Any, Any] | None] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, start: int, stop: int) -> "Rows":
        """The rows start ≤ i < stop of this block."""
        return Rows(
            numbers=self.numbers[start:stop],
            texts=self.texts[start:stop],
            ids=None if self.ids is None else self.ids[start:stop],
            labels=None if self.labels is None else self.labels[start:stop],
            metadata=None if self.metadata is None else self.metadata[start:stop],
            embeddings_ND=None if self.embeddings_ND is None else self.embeddings_ND[start:stop],
            labels_were_given=self.labels_were_given,
            annotators=None if self.annotators is None else self.annotators[start:stop],
            pairs=None if self.pairs is None else self.pairs[start:stop],
        )


def content_id(text: str, pair: tuple[str, str] | None = None) -> str:
    """The id of an item that came without one: the first 32 hex digits of the SHA-256 of its text in UTF-8.

    Equal texts get equal ids, so that adding a file twice adds its items once. A pair goes in after its text, with NUL
    between the three.
    """
    whole = text if pair is None else "\0".join((text, *pair))
    return hashlib.sha256(whole.encode()).hexdigest()[:32]
