"""Items that come with labels: most of the labels become annotations, a share of them only evaluates."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nextlabel.client.items import Rows, content_id
from nextlabel.client.row_checks import RowError, checked_id, checked_pair, checked_text, is_missing
from nextlabel.client.upload import AddResult
from nextlabel.v1.labeling_service_pb2 import SUBMIT_STATUS_REFUSED, SubmitResult

KNOWN = "known-labels"
"""Annotator under whose name known labels are kept unless another is given."""


@dataclass(frozen=True, slots=True)
class LabeledAddResult:
    """What became of items and of their labels: items for evaluation, items of the pool, answers about the latter.

    `numbers` are the rows of the items that have answers, by their ids.
    """

    holdout: AddResult
    pool: AddResult
    answers: Sequence[SubmitResult]
    numbers: Mapping[str, int]

    @property
    def labels(self) -> int:
        """Labels of pool items that are kept, now or from an earlier call."""
        return sum(answer.status != SUBMIT_STATUS_REFUSED for answer in self.answers)

    @property
    def refused(self) -> Sequence[SubmitResult]:
        """Labels that are not kept, with the reason."""
        return [answer for answer in self.answers if answer.status == SUBMIT_STATUS_REFUSED]

    def refusals(self, unit: str) -> Sequence[str]:
        """The labels that are not kept: on which line, row or other unit of the file they stand, and why."""
        return [f"{unit} {self.numbers[r.item_id]}, item {r.item_id}: {r.message}" for r in self.refused]


def is_drawn(text: str, share: float) -> bool:
    """Whether a text is among the share that evaluates: drawn by content, so that every call draws the same.

    >>> is_drawn("any text", 0.0), is_drawn("any text", 1.0)
    (False, True)
    """
    return int(content_id(text)[:8], 16) < share * 2**32


class LabeledRows:
    """Rows, read at once and parted: `holdout` those with a label that were drawn, `pool` the others."""

    def __init__(self, blocks: Iterable[Rows], holdout_share: float) -> None:
        self.holdout: list[Rows] = []
        self.pool: list[Rows] = []
        self._share = holdout_share
        for rows in blocks:
            drawn = [i for i in range(len(rows)) if self._is_drawn(rows, i)]
            rest = sorted(set(range(len(rows))) - set(drawn))
            self.holdout += [_chosen(rows, drawn)] if drawn else []
            self.pool += [_chosen(rows, rest)] if rest else []

    def labels(self) -> Iterator[tuple[int, str, str, Any]]:
        """The labels of rows for the pool: row, who gave it, "" where that is not known, id of the item, and label.

        Rows that are no items have none.
        """
        for rows in self.pool:
            for i, label in enumerate(rows.labels or ()):
                if is_missing(label):
                    continue
                pair = None if rows.pairs is None else rows.pairs[i]
                try:
                    text = checked_text(rows.texts[i]) if pair is None else rows.texts[i]
                    pair = pair and checked_pair(pair)
                    item_id = checked_id(None if rows.ids is None else rows.ids[i], text, pair)
                    yield rows.numbers[i], "" if rows.annotators is None else rows.annotators[i], item_id, label
                except RowError:
                    continue

    def _is_drawn(self, rows: Rows, i: int) -> bool:
        labeled = rows.labels is not None and not is_missing(rows.labels[i])
        pair = None if rows.pairs is None else rows.pairs[i]
        said = [rows.texts[i]] if pair is None else sorted(map(str, pair))
        return labeled and isinstance(said[0], str) and is_drawn("\0".join(said), self._share)


def _chosen(rows: Rows, positions: Sequence[int]) -> Rows:
    def column(values: Sequence[Any] | None) -> list[Any] | None:
        return None if values is None else [values[i] for i in positions]

    matrix = rows.embeddings_ND
    return Rows(
        numbers=[rows.numbers[i] for i in positions],
        texts=[rows.texts[i] for i in positions],
        ids=column(rows.ids),
        labels=column(rows.labels),
        metadata=column(rows.metadata),
        annotators=column(rows.annotators),
        pairs=column(rows.pairs),
        embeddings_ND=None if matrix is None else matrix[list(positions)],
    )
