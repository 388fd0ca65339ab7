"""Annotations and consensus as JSON Lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from nextlabel.server.api.messages.annotations import annotation_message
from nextlabel.server.api.messages.values import PAGE_BYTES
from nextlabel.server.api.reading.fine_tuning import AnsweredItem, FineTuning, Record
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import labeling_service_pb2 as pb

_CHUNK = 500
_FINE_TUNING: Mapping[pb.ExportFormat.ValueType, Callable[[FineTuning, AnsweredItem], Iterator[Record]]] = {
    pb.EXPORT_FORMAT_SFT: FineTuning.conversations,
    pb.EXPORT_FORMAT_DPO: FineTuning.pairs,
    pb.EXPORT_FORMAT_REWARD: FineTuning.rewards,
    pb.EXPORT_FORMAT_RATIONALE: FineTuning.rationales,
}


@dataclass(frozen=True, slots=True)
class Export:
    """Writes lines in chunks, so that memory does not grow with the project."""

    store: StateStore
    projects: Projects
    pools: Pools
    labels: Labels

    def lines(
        self, project: Project, form: pb.ExportFormat.ValueType, run: str, *, trusted_only: bool
    ) -> AsyncIterator[Sequence[str]]:
        """Return chunks of lines.

        Raises:
            InvalidArgument: an unknown format, or a run for one that is about items.
        """
        if form in (pb.EXPORT_FORMAT_UNSPECIFIED, pb.EXPORT_FORMAT_RECORDS):
            return self._records(project, run, trusted_only)
        if form not in _FINE_TUNING:
            raise InvalidArgument.field("format", "must be RECORDS, SFT, DPO, REWARD or RATIONALE")
        if run:
            raise InvalidArgument.field("run", "these forms are about the answers of all runs; leave it empty")
        return self._fine_tuning(project, _FINE_TUNING[form], trusted_only)

    async def _records(self, project: Project, run: str, trusted_only: bool) -> AsyncIterator[Sequence[str]]:
        """Yield every annotation with its text and provenance, oldest first."""
        after = 0
        while True:
            found = await self._annotations(project, run, after)
            if not found:
                return
            after = found[-1].id
            kept = [a for a in found if a.trusted or not trusted_only]
            texts = await self._texts(project, [a.row for a in kept])
            yield [_line(_record(a, texts[a.row])) for a in kept if a.row in texts]

    async def _annotations(self, project: Project, run: str, after: int) -> Sequence[Annotation]:
        return await self.store.read(
            lambda tx: tx.labeling.annotations(project.id, run=run or None, after_id=after, limit=_CHUNK)
        )

    async def _fine_tuning(
        self, project: Project, records: Callable[[FineTuning, AnsweredItem], Iterator[Record]], trusted_only: bool
    ) -> AsyncIterator[Sequence[str]]:
        """Yield what answered pool items are for tuning, in their order; what evaluates or checks trains no model."""
        writer = FineTuning(await self.store.read(lambda tx: self.projects.task(tx, project)))
        given = await self.labels.rows(project)
        agreed = await self.labels.consensus(project)
        kept_back = set((await self.pools.open(project.id)).unusable_rows().tolist())
        rows = sorted(row for row in given if row not in kept_back)
        for start in range(0, len(rows), _CHUNK):
            items = await self.pools.items(project.id, rows[start : start + _CHUNK])
            answered = [AnsweredItem(item, given[item.row], agreed.get(item.row)) for item in items]
            yield [
                _line(record) for one in answered if one.trusted or not trusted_only for record in records(writer, one)
            ]

    async def _texts(self, project: Project, rows: Sequence[int]) -> dict[int, str]:
        return {item.row: item.text for item in await self.pools.items(project.id, rows)}


def chunks(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines in groups that fit into one reply each."""
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and size + len(line) > PAGE_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield chunk


def _record(annotation: Annotation, text: str) -> dict[str, Any]:
    message = json_format.MessageToDict(annotation_message(annotation), preserving_proto_field_name=True)
    body = annotation.answer.body
    return {"text": text, "label": None if body is None else type_of(body).plain(body), **message}


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))
