"""Annotations and consensus as JSON Lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from nextlabel.server.api.messages.labeling.annotations import annotation_message
from nextlabel.server.api.messages.values import PAGE_BYTES
from nextlabel.server.api.reading.fine_tuning import AnsweredItem, FineTuning, Record
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.training_labels.label_filters import LabelFilters
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.texts.judgements import JudgedItem, Judgements, check_judging, check_texts
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.advice import Advice
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import labeling_service_pb2 as pb

_CHUNK = 500
_JUDGED = (pb.EXPORT_FORMAT_SFT, pb.EXPORT_FORMAT_DPO, pb.EXPORT_FORMAT_REWARD)
_FINE_TUNING: Mapping[pb.ExportFormat.ValueType, Callable[[FineTuning, AnsweredItem], Iterator[Record]]] = {
    pb.EXPORT_FORMAT_SFT: FineTuning.conversations,
    pb.EXPORT_FORMAT_DPO: FineTuning.pairs,
    pb.EXPORT_FORMAT_REWARD: FineTuning.rewards,
    pb.EXPORT_FORMAT_RATIONALE: FineTuning.rationales,
}


@dataclass(frozen=True, slots=True)
class _Marks:
    """The names of the filters that leave an item's label out, by row: ``shown`` in each line, or no line at all."""

    by_row: Mapping[int, str]
    shown: bool

    def keep(self, row: int) -> bool:
        return self.shown or row not in self.by_row

    def columns(self, row: int) -> Record:
        return {"filtered_by": self.by_row.get(row, "")} if self.shown else {}


@dataclass(frozen=True, slots=True)
class Export:
    """Writes lines in chunks, so that memory does not grow with the project."""

    store: StateStore
    projects: Projects
    pools: Pools
    labels: Labels
    filters: LabelFilters
    judgements: Judgements

    def lines(
        self,
        project: Project,
        form: pb.ExportFormat.ValueType,
        run: str,
        *,
        trusted_only: bool,
        filtered: pb.FilterEffect.ValueType = pb.FILTER_EFFECT_DROP,
        judging: Project | None = None,
    ) -> AsyncIterator[Sequence[str]]:
        """Return chunks of lines; ``judging`` is where candidate texts are judged.

        Raises:
            InvalidArgument: an unknown format or effect of filters, a run for a format that is about items, or
                judgements for one that asks for no best text.
            FailedPrecondition: there are no texts in the project, or nothing is judged in the other one.
        """
        if judging is not None:
            check_texts(project)
            check_judging(judging)
            if form not in _JUDGED:
                raise InvalidArgument.field("judged_by", "the best texts are exported as SFT, DPO or REWARD")
        if filtered not in pb.FilterEffect.values():
            raise InvalidArgument.field("filtered", "must be DROP, MARK or KEEP")
        if form in (pb.EXPORT_FORMAT_UNSPECIFIED, pb.EXPORT_FORMAT_RECORDS):
            return self._records(project, run, trusted_only, filtered)
        if form == pb.EXPORT_FORMAT_ADVICE:
            if trusted_only:
                raise InvalidArgument.field("trusted_only", "advice is never trusted; leave it out")
            return self._advice(project, run)
        if form not in _FINE_TUNING:
            raise InvalidArgument.field("format", "must be RECORDS, SFT, DPO, REWARD, RATIONALE or ADVICE")
        if run:
            raise InvalidArgument.field("run", "these forms are about the answers of all runs; leave it empty")
        return self._fine_tuning(project, _FINE_TUNING[form], trusted_only, filtered, judging)

    async def _records(
        self, project: Project, run: str, trusted_only: bool, filtered: pb.FilterEffect.ValueType
    ) -> AsyncIterator[Sequence[str]]:
        """Yield every annotation with its text and provenance, oldest first."""
        marks = await self._marks(project, filtered)
        after = 0
        while True:
            found = await self._annotations(project, run, after)
            if not found:
                return
            after = found[-1].id
            kept = [a for a in found if (a.trusted or not trusted_only) and marks.keep(a.row)]
            texts = await self._texts(project, [a.row for a in kept])
            yield [_line(_record(a, texts[a.row]) | marks.columns(a.row)) for a in kept if a.row in texts]

    async def _advice(self, project: Project, run: str) -> AsyncIterator[Sequence[str]]:
        """Yield what is kept as advice with its text and provenance, in the order of the items; no filter names it."""
        pool = await self.pools.open(project.id)
        rows = [row for row in range(pool.index.next_row) if row not in pool.deleted]
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            found = await self.store.read(lambda tx, part=part: tx.advice.of(project.id, part))  # type: ignore[misc]
            kept = [one for one in found if run in ("", one.run)]
            if kept:
                texts = await self._texts(project, [one.row for one in kept])
                yield [_line(_record(_answer_of(one), texts[one.row])) for one in kept]

    async def _annotations(self, project: Project, run: str, after: int) -> Sequence[Annotation]:
        return await self.store.read(
            lambda tx: tx.labeling.annotations(project.id, run=run or None, after_id=after, limit=_CHUNK)
        )

    async def _fine_tuning(
        self,
        project: Project,
        records: Callable[[FineTuning, AnsweredItem], Iterator[Record]],
        trusted_only: bool,
        filtered: pb.FilterEffect.ValueType,
        judging: Project | None,
    ) -> AsyncIterator[Sequence[str]]:
        """Yield what answered pool items are for tuning, in their order; what evaluates or checks trains no model."""
        writer = FineTuning(await self.store.read(lambda tx: self.projects.task(tx, project)))
        given = await self.labels.rows(project)
        agreed = await self.labels.consensus(project)
        kept_back = set((await self.pools.open(project.id)).unusable_rows().tolist())
        marks = await self._marks(project, filtered)
        rows = sorted(row for row in given if row not in kept_back and marks.keep(row))
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            judged = {} if judging is None else await self._judged(project, chunk, judging)
            items = await self.pools.items(project.id, chunk)
            answered = [
                AnsweredItem(item, given[item.row], agreed.get(item.row), judged.get(item.row))
                for item in items
                if judging is None or item.row in judged
            ]
            yield [
                _line(record | marks.columns(one.item.row))
                for one in answered
                if one.trusted or not trusted_only
                for record in records(writer, one)
            ]

    async def _judged(self, project: Project, rows: Sequence[int], judging: Project) -> Mapping[int, JudgedItem]:
        """Return the items of which a best text is known, by row."""
        found = await self.judgements.items(project, rows, judging)
        return {one.item.row: one for one in found if one.best is not None}

    async def _marks(self, project: Project, filtered: pb.FilterEffect.ValueType) -> _Marks:
        """Return what filters leave out as it is when an export begins."""
        if filtered == pb.FILTER_EFFECT_KEEP:
            return _Marks({}, shown=False)
        found = await self.filters.left_out(project)
        by_row = {row: ", ".join(sorted(one.why)) for row, one in found.by_row.items()}
        return _Marks(by_row, shown=filtered == pb.FILTER_EFFECT_MARK)

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


def _answer_of(advice: Advice) -> Annotation:
    """Return advice in the shape of an annotation, which it never becomes: it has no id."""
    answer = advice.answer
    return Annotation(
        id=0,
        project=advice.project,
        row=advice.row,
        item_id=advice.item_id,
        annotator=advice.annotator,
        kind=AnnotatorKind.LLM if answer.provenance.requested_model else AnnotatorKind.REPLAY,
        trusted=False,
        outcome=answer.outcome,
        label=None,
        answer=answer,
        run=advice.run,
        round=0,
        batch="",
        created_at=advice.created_at,
    )


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))
