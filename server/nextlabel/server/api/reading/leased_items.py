"""What human annotators see of an item: its text and, if the project says so, a suggestion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.api.messages.labeling.leases import doubted_label_message, suggestion_message
from nextlabel.server.api.messages.pool import item_message
from nextlabel.server.api.messages.values import PAGE_BYTES
from nextlabel.server.domain.labeling.disguises import NO_ROW
from nextlabel.server.domain.labeling.disguises import disguised as disguised_id
from nextlabel.server.domain.learning.suggestions import Suggestions
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.selection.review_queue import ReviewQueue
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.batches import Pick
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import labeling_service_pb2 as pb

# Ids, reason and scores of a pick, and a suggestion.
_BESIDE_TEXT_BYTES = 2_048


@dataclass(frozen=True, slots=True)
class LeasedItems:
    """Fills the items of a lease in. Their reference answers are never shown."""

    pools: Pools
    suggestions: Suggestions
    queue: ReviewQueue
    limits: Limits

    def deliverable(self, picks: Sequence[Pick], project: ProjectId) -> int:
        """Return how many of the picks fit into one reply with their texts. Blocks when that is in doubt."""
        most = PAGE_BYTES // (self.limits.item_text_bytes + self.limits.item_metadata_bytes + _BESIDE_TEXT_BYTES)
        if len(picks) <= most:
            return len(picks)
        stored = {item.row: item for item in self.pools.arrays.items(project, [pick.row for pick in picks])}
        size = 0
        for count, pick in enumerate(picks):
            if pick.row in stored:
                size += item_message(stored[pick.row]).ByteSize()
            size += _BESIDE_TEXT_BYTES
            if size > PAGE_BYTES:
                return max(1, count)
        return len(picks)

    async def fill(
        self,
        project: Project,
        leased: Sequence[pb.LeasedItem],
        *,
        suggest: bool = True,
        show_answers: bool = False,
        disguised: bool = False,
    ) -> None:
        """Put texts and metadata into items that have only an id, and suggestions beside them if ``suggest`` says so.

        ``show_answers`` puts in what is known of their labels, too. With ``disguised`` nothing is left that could tell
        items of the pool from gold ones: no id of theirs, no metadata, no reason.
        """
        rows = (await self.pools.find(project.id, [entry.item.id for entry in leased])).tolist()
        stored = {item.row: item for item in await self.pools.items(project.id, [row for row in rows if row >= 0])}
        suggested = await self.suggestions.of(project, list(stored)) if suggest else {}
        for entry, row in zip(leased, rows, strict=True):
            if row in stored:
                entry.item.CopyFrom(item_message(stored[row]))
        suggestions = {row: suggestion_message(suggestion) for row, suggestion in suggested.items()}
        room = PAGE_BYTES - sum(entry.ByteSize() for entry in leased)
        for entry, row in zip(leased, rows, strict=True):
            # An item without its suggestion can be answered all the same; a lease that cannot be delivered cannot.
            if row in suggestions and (room := room - suggestions[row].ByteSize()) >= 0:
                entry.suggestion.CopyFrom(suggestions[row])
        if disguised:
            _disguise(project.id, leased, rows)
        if not show_answers:
            return
        known = {row: doubted_label_message(one) for row, one in (await self.queue.known_of(project, stored)).items()}
        for entry, row in zip(leased, rows, strict=True):
            if row in known and (room := room - known[row].ByteSize()) >= 0:
                entry.doubted.CopyFrom(known[row])


def _disguise(project: ProjectId, leased: Sequence[pb.LeasedItem], rows: Sequence[int]) -> None:
    for place, (entry, row) in enumerate(zip(leased, rows, strict=True)):
        entry.item.id = disguised_id(project, row if row >= 0 else NO_ROW - place)
        entry.item.ClearField("metadata")
        entry.ClearField("pick")
