"""Where an LLM's annotations differ from gold or people: the evidence that guidelines are criticised by."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.critiques import Disagreement
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Body, Label, Text
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.pool import ReferenceItem
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class Compared:
    """An annotation beside the trusted answer about its item.

    ``differs`` says that they are not the same answer, as far as right and wrong are concerned. ``critiques`` is what
    people said of a text that was given.
    """

    annotation: Annotation
    given: Body
    trusted: Body
    differs: bool
    critiques: tuple[str, ...] = ()


class Disagreements:
    """Compares an annotator with what is trusted. Holdout items, and items that say the same, never occur."""

    def __init__(self, pools: Pools, labels: Labels) -> None:
        self._pools = pools
        self._labels = labels

    async def gold(self, project: Project) -> Mapping[int, ReferenceItem]:
        """Return the gold items by row."""
        pool = await self._pools.open(project.id)
        return pool.gold

    async def compared(self, project: Project, annotator: str, guidelines_hash: str) -> Sequence[Compared]:
        """Return what an annotator answered under some guidelines beside gold, or what people agree on.

        Of several answers about an item the last one counts; an item on which people differ is left out.
        """
        pool = await self._pools.open(project.id)
        gold = await self.gold(project)
        unusable = set(pool.unusable_rows().tolist()) - set(gold)
        kind = task_type(project.annotation_type)
        found = []
        for row, given in (await self._labels.rows(project)).items():
            answer = _last_answer(given, annotator, guidelines_hash)
            trusted = kind.parsed(gold[row].label) if row in gold else _agreed_by_people(given)
            body = None if answer is None else answer.answer.body
            if row not in unusable and trusted is not None and answer is not None and body is not None:
                differs = not kind.same(body, trusted, project)
                found.append(Compared(answer, body, trusted, differs, _critiques(body, given)))
        return found

    async def right_on_gold(
        self, project: Project, annotator: str, guidelines_hash: str
    ) -> Sequence[tuple[ItemToAnnotate, Label]]:
        """Return the gold items that an annotator has answered right under some guidelines, with their labels."""
        gold = await self.gold(project)
        compared = await self.compared(project, annotator, guidelines_hash)
        rows = [c.annotation.row for c in compared if c.annotation.row in gold and not c.differs]
        items = await self._pools.to_annotate(project, rows)
        return [(item, Label(gold[item.row].label)) for item in items]

    async def shown(self, project: Project, mistakes: Collection[Compared], most: int) -> Sequence[Disagreement]:
        """Return up to ``most`` of the mistakes with their items."""
        chosen = {c.annotation.row: c for c in _spread(mistakes, most)}
        items = await self._pools.to_annotate(project, list(chosen))
        return [
            Disagreement(item, one.given, one.trusted, one.annotation.answer.rationale, one.critiques)
            for item in items
            for one in [chosen[item.row]]
        ]


def _last_answer(given: Sequence[Annotation], annotator: str, guidelines_hash: str) -> Annotation | None:
    for annotation in reversed(given):
        source = annotation.answer.provenance
        if annotation.annotator == annotator and source.guidelines_hash == guidelines_hash and annotation.answer.body:
            return annotation
    return None


def _critiques(body: Body, given: Sequence[Annotation]) -> tuple[str, ...]:
    """Return what people said of a text, who wrote another one in its stead."""
    reviews = [review for a in given if a.kind is AnnotatorKind.HUMAN for review in a.answer.reviews]
    return tuple(r.critique for r in reviews if isinstance(body, Text) and r.text == body.text)


def _agreed_by_people(given: Sequence[Annotation]) -> Body | None:
    bodies = {a.answer.body for a in given if a.kind is AnnotatorKind.HUMAN and a.answer.body is not None}
    return bodies.pop() if len(bodies) == 1 else None


def _spread(mistakes: Collection[Compared], most: int) -> Sequence[Compared]:
    """Take by turns from each kind of mistake, so that a frequent one does not crowd out the others."""
    kinds: dict[tuple[Body, Body], list[Compared]] = defaultdict(list)
    for mistake in sorted(mistakes, key=lambda m: hashlib.sha256(m.annotation.item_id.encode()).digest()):
        kinds[mistake.given, mistake.trusted].append(mistake)
    by_turns = chain.from_iterable(zip_longest(*kinds.values()))
    return [mistake for mistake in by_turns if mistake is not None][:most]
