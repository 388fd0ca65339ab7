"""How accurate annotators other than people are on the whole pool, from the uniform draws that people labeled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.estimates.cross_fit import Features
from nextlabel.server.assessment.estimates.figures import Figure
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.reports.estimates.audit_stream import AuditStream, audit_stream
from nextlabel.server.domain.reports.estimates.pool_features import ADVISED
from nextlabel.server.domain.reports.estimates.pool_surveys import PoolSurveys
from nextlabel.server.learners.advice.features import half_log_odds
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.projects.projects import Project

MOST_ANNOTATORS = 20
"""Annotators that are told of, those with most answers about the items that people labeled first."""

_UNSURE = 0.5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Said:
    """What an item was called, with the confidence in [0, 1] that came with it, None without one."""

    body: Body
    confidence: float | None


Reader = Callable[[Sequence[int]], Awaitable[Mapping[int, Said]]]
"""Reads what some rows were called; rows without an answer are left out."""


@dataclass(frozen=True, slots=True)
class AnnotatorAccuracy:
    """The share of the pool's items that an annotator labels right, by every way there is to tell."""

    annotator: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class _ByPeople:
    """What annotators are compared with: the draws, what people called rows, and everybody's answers."""

    stream: AuditStream
    trusted: Mapping[int, Body]
    by_row: Mapping[int, Sequence[Annotation]]


@dataclass(frozen=True, slots=True)
class AnnotatorAccuracies:
    """Tells how accurate annotators are on the pool, by what they answered or advised."""

    store: StateStore
    labels: Labels
    surveys: PoolSurveys

    async def of(self, project: Project) -> Sequence[AnnotatorAccuracy]:
        """Return the accuracy of each annotator that people can be compared with, by name.

        Those are annotators whose answers do not count as truth, and who have answered nearly all of the draws.
        """
        people = await self._by_people(project)
        trusted = people.trusted
        own = {
            name: found
            for name, given in (await self.labels.by_annotator(project)).items()
            if (found := {one.row: one for one in given if one.answer.body is not None and not one.trusted})
        }
        advised = await self.surveys.features.advice.said(project.id, list(trusted))
        compared: Counter[str] = Counter()
        for row in trusted:
            compared.update({*(name for name, given in own.items() if row in given), *advised.get(row, ())})
        most = sorted(compared, key=lambda name: (-compared[name], name))[:MOST_ANNOTATORS]
        told = []
        for name in sorted(most):
            figures = await self._measured(project, people, self._reader(project, name, own.get(name, {})))
            if figures:
                told.append(AnnotatorAccuracy(name, figures))
        return told

    async def measured(self, project: Project, read: Reader) -> tuple[Figure, ...]:
        """Return the share of the pool's items that are called right; nothing where no draws tell.

        It rests on the draws that people labeled, joined with how right all other items are predicted to be (PPI++)
        where that says more, by what they are called, how sure that is, what advisors say, and the embedding. Both for
        one look and watched. A draw without an answer counts as wrong; with more than a few of those nothing is told.
        """
        return await self._measured(project, await self._by_people(project), read)

    async def _measured(self, project: Project, people: _ByPeople, read: Reader) -> tuple[Figure, ...]:
        trusted = people.trusted
        said = await read(list(trusted))
        draws = people.stream.drawn_rows
        comparable = {row for row in trusted if row in said or row in draws}
        known = await self.surveys.known(project, people.stream, comparable, people.by_row)
        if known is None or sum(one.row in said for one in known.draws) < ADVISED * len(known.draws):
            return ()
        kind = task_type(project.annotation_type)
        right = [row in said and kind.same(said[row].body, trusted[row], project) for row in known.seen]

        async def features(seen: Sequence[int], sample: Sequence[int]) -> Sequence[Features] | None:
            of_sample = await read(sample)
            if len(of_sample) < ADVISED * len(sample):
                return None
            return await self._features(project, (seen, said), (sample, of_sample))

        values_S1 = np.array(right, np.float64)[:, None]
        survey, _ = await self.surveys.of(project, known, values_S1, features)
        return survey.figures(0, share=True, watched=True)

    async def _by_people(self, project: Project) -> _ByPeople:
        stream = await self.store.read(lambda tx: audit_stream(tx, project.id))
        trusted = {row: one.body for row, one in (await self.labels.consensus(project)).items() if one.trusted}
        return _ByPeople(stream, trusted, await self.labels.rows(project))

    def _reader(self, project: Project, name: str, own: Mapping[int, Annotation]) -> Reader:
        async def read(rows: Sequence[int]) -> Mapping[int, Said]:
            advised = await self.surveys.features.advice.said(project.id, rows)
            found = {}
            for row in rows:
                answer = own[row].answer if row in own else advised.get(row, {}).get(name)
                if answer is not None and answer.body is not None:
                    found[row] = Said(answer.body, answer.confidence)
            return found

        return read

    async def _features(
        self, project: Project, *groups: tuple[Sequence[int], Mapping[int, Said]]
    ) -> Sequence[Features]:
        """Return for each group what it is predicted from whether rows are called right."""
        advised = await self.surveys.features.of(project, *(rows for rows, _ in groups))
        return [
            Features(np.hstack([_own_columns(project, rows, said), one.strong_nS]), one.weak_nD)
            for (rows, said), one in zip(groups, advised, strict=True)
        ]


def _own_columns(project: Project, rows: Sequence[int], said: Mapping[int, Said]) -> Floats:
    """Return how sure each row's label is, and a column for each class that says whether it has it."""
    kind = task_type(project.annotation_type)
    place = {name: n for n, name in enumerate(project.class_names, 1)}
    columns = np.zeros((len(rows), 1 + len(place)))
    for n, row in enumerate(rows):
        if (one := said.get(row)) is not None:
            columns[n, 0] = half_log_odds(_UNSURE if one.confidence is None else one.confidence)
            columns[n, [place[name] for name in kind.classes(one.body) if name in place]] = 1.0
    return columns
