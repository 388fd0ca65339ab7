"""Texts that people criticised and that nobody has written anew by that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.texts.judging_items import WrittenCandidate, by_people, candidates
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import TextReview
from nextlabel.server.values.labeling.tasks import CriticisedText
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import candidate_name


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A text to be written anew by what people said of it.

    The new text is kept under the name ``annotator``, instead of the annotation ``corrects``; 0 for beside all others.
    """

    candidate: WrittenCandidate
    annotator: str
    corrects: int

    @property
    def row(self) -> int:
        """The item's row in the pool."""
        return self.candidate.annotation.row

    @property
    def reviews(self) -> tuple[TextReview, ...]:
        """What people said of it, the oldest first."""
        return self.candidate.critiques

    @property
    def earlier(self) -> CriticisedText:
        """What a model is shown: nothing of it says who the people are."""
        return CriticisedText(self.candidate.text, "\n".join(dict.fromkeys(one.critique for one in self.reviews)))


def rewritings(annotations: Sequence[Annotation], annotator: str, run: str = "") -> list[Rewriting]:
    """Return which texts of an item an annotator is to write anew, the oldest first.

    ``annotations`` are all of the item, those included that others stand instead of. A text is open until a model has
    written it anew by all that people say of it now, and until it was asked to in this ``run``, whatever came of it.
    """
    replaced = {a.corrects for a in annotations}
    standing = [a for a in annotations if a.id not in replaced]
    heard = {
        _said(review)
        for a in annotations
        if a.kind is not AnnotatorKind.HUMAN and (a.outcome.reaches_learner or (run and a.run == run))
        for review in a.answer.reviews
    }
    return [
        Rewriting(one, *_place(one, standing, annotator))
        for one in candidates(standing)
        if one.critiques and not heard.issuperset(map(_said, one.critiques))
    ]


def _said(review: TextReview) -> tuple[str, str, str]:
    return review.text, review.critique, review.critic


def _place(candidate: WrittenCandidate, standing: Iterable[Annotation], annotator: str) -> tuple[str, int]:
    """Return under which name a new text is kept, and instead of which annotation."""
    by = candidate.annotation.annotator
    own = annotator in (by, by.rpartition("#")[0])
    if own and candidate.annotation.kind is not AnnotatorKind.HUMAN:
        return by, candidate.number
    taken = {a.annotator for a in standing if a.outcome.reaches_learner}
    number = next(n for n in range(1, len(taken) + 2) if candidate_name(annotator, n) not in taken)
    return candidate_name(annotator, number), 0


@dataclass(frozen=True, slots=True)
class CriticisedTexts:
    """Finds them in a project."""

    store: StateStore
    pools: Pools
    labels: Labels

    async def rows(self, project: Project) -> Rows:
        """Return the rows of the pool with a text that people criticised, ascending; none of holdout or gold."""
        kept_back = set((await self.pools.open(project.id)).unusable_rows().tolist())
        by_row = await self.labels.rows(project)
        found = (row for row, given in by_row.items() if row not in kept_back and _is_criticised(given))
        return np.array(sorted(found), np.int64)

    async def waiting(
        self, project: Project, annotator: str, run: str = "", within: Rows | None = None
    ) -> list[Rewriting]:
        """Return what an annotator is to write anew, by the rows of the items."""
        rows = await self.rows(project)
        rows = rows if within is None else np.intersect1d(rows, within)
        given = await self.store.read(lambda tx: tx.labeling.annotations(project.id, rows=rows.tolist()))
        by_row: dict[int, list[Annotation]] = {row: [] for row in rows.tolist()}
        for annotation in given:
            by_row[annotation.row].append(annotation)
        return [one for of_item in by_row.values() for one in rewritings(of_item, annotator, run)]


def _is_criticised(given: Sequence[Annotation]) -> bool:
    return any(by_people(given, one.text) for one in candidates(given))
