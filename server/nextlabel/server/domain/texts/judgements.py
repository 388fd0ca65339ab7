"""Which of an item's candidates is best, by what judges said of them in another project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.texts.judging_items import WrittenCandidate, candidates, pair_id, to_score
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Preference, PreferredAlternative, Score
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class JudgedText:
    """A candidate with what was said of it.

    ``merit`` is its score, or the share of its pairs that it won, ties as halves; None before it was judged. With every
    pair of an item judged, that share ranks candidates as the Bradley-Terry model does (Ford 1957). ``judgements`` are
    the answers of judges that it rests on.
    """

    candidate: WrittenCandidate
    won: int = 0
    tied: int = 0
    lost: int = 0
    judgements: int = 0
    score: float | None = None

    @property
    def merit(self) -> float | None:
        """How good the text was found."""
        pairs = self.won + self.tied + self.lost
        return (self.won + self.tied / 2) / pairs if pairs else self.score

    def against(self, won: bool | None, judgements: int) -> JudgedText:
        """Return this text after another pair: ``won`` is None for a tie."""
        return replace(
            self,
            won=self.won + (won is True),
            tied=self.tied + (won is None),
            lost=self.lost + (won is False),
            judgements=self.judgements + judgements,
        )


@dataclass(frozen=True, slots=True)
class JudgedItem:
    """An item with its candidates, the best first; as they were written where none is judged."""

    item: StoredItem
    texts: Sequence[JudgedText]

    @property
    def best(self) -> JudgedText | None:
        """The best candidate; None before one was judged."""
        return self.texts[0] if self.texts and self.texts[0].merit is not None else None

    @property
    def worse(self) -> Sequence[JudgedText]:
        """The candidates that were found worse than the best."""
        top = self.texts[0].merit if self.texts else None
        return [] if top is None else [t for t in self.texts if t.merit is not None and t.merit < top]


def check_texts(project: Project) -> None:
    """Check that texts are written in a project; raises FailedPrecondition where not."""
    if not task_type(project.annotation_type).writes_text:
        raise FailedPrecondition(
            f"project {project.name} asks for {project.annotation_type.shown} annotations; candidates are written in "
            "projects of texts",
            reason="NO_TEXTS",
        )


def check_judging(judging: Project) -> None:
    """Check that texts can be judged in a project; raises FailedPrecondition where not."""
    if judging.annotation_type not in (AnnotationType.PREFERENCE, AnnotationType.SCORE):
        raise FailedPrecondition(
            f"project {judging.name} asks for {judging.annotation_type.shown} annotations; texts are judged in "
            "projects of preferences or scores",
            reason="NO_JUDGEMENTS",
        )


@dataclass(frozen=True, slots=True)
class Judgements:
    """Reads candidates and what was said of them."""

    pools: Pools
    labels: Labels

    async def rows(self, project: Project) -> list[int]:
        """Return the rows of the pool that something was written of, ascending; none of holdout or gold.

        Raises:
            FailedPrecondition: no texts are written in this project.
        """
        check_texts(project)
        kept_back = set((await self.pools.open(project.id)).unusable_rows().tolist())
        by_row = await self.labels.rows(project)
        return sorted(row for row, given in by_row.items() if row not in kept_back and candidates(given))

    async def items(self, project: Project, rows: Sequence[int], judging: Project | None) -> list[JudgedItem]:
        """Return items with their candidates, judged where a project says by whom; deleted items are left out.

        A judgement counts for the texts that it is about: none of what was written otherwise since.

        Raises:
            FailedPrecondition: no texts are written in the one project, or judged in the other.
        """
        check_texts(project)
        given = await self.labels.rows(project)
        stored = await self.pools.items(project.id, rows)
        written = [(item, candidates(given.get(item.row, ()))) for item in stored]
        if judging is None:
            return [JudgedItem(item, list(map(JudgedText, texts))) for item, texts in written]
        check_judging(judging)
        by_pairs = judging.annotation_type is AnnotationType.PREFERENCE
        said = await self._said(judging, [texts for _, texts in written], by_pairs)
        judged = _by_pairs if by_pairs else _by_scores
        return [JudgedItem(item, judged(item, texts, said)) for item, texts in written]

    async def answers(
        self, project: Project, rows: Sequence[int], judging: Project
    ) -> Mapping[int, Sequence[Sequence[Annotation]]]:
        """Return what judges answered about the texts of items as they are now, by row: about each text or pair.

        Raises:
            FailedPrecondition: no texts are written in the one project, or judged in the other.
        """
        check_texts(project)
        check_judging(judging)
        by_pairs = judging.annotation_type is AnnotationType.PREFERENCE
        given, judged = await self.labels.rows(project), await self.labels.rows(judging)
        written = [(item, candidates(given.get(item.row, ()))) for item in await self.pools.items(project.id, rows)]
        said = await self._said(judging, [texts for _, texts in written], by_pairs)
        about = _pairs_about if by_pairs else _scored_about
        return {item.row: [judged[said[name][0].row] for name in about(item, texts, said)] for item, texts in written}

    async def _said(
        self, judging: Project, written: Sequence[Sequence[WrittenCandidate]], by_pairs: bool
    ) -> Mapping[str, tuple[StoredItem, Consensus]]:
        """Return what judges agreed on about each judging item, by its id, with the item."""
        ids = [name for texts in written for name in (_pair_ids(texts) if by_pairs else _ids(texts))]
        rows = (await self.pools.find(judging.id, ids)).tolist() if ids else []
        agreed = await self.labels.consensus(judging)
        items = await self.pools.items(judging.id, [row for row in rows if row in agreed])
        return {item.item_id: (item, agreed[item.row]) for item in items}


def _ids(texts: Sequence[WrittenCandidate]) -> list[str]:
    return [str(one.number) for one in texts]


def _pair_ids(texts: Sequence[WrittenCandidate]) -> list[str]:
    return [pair_id(one, other) for one in texts for other in texts if one is not other]


def _pairs_about(
    item: StoredItem, texts: Sequence[WrittenCandidate], said: Mapping[str, tuple[StoredItem, Consensus]]
) -> list[str]:
    """Return the ids of the judging items of which each is about two texts as they are."""
    return [
        pair_id(one, other)
        for one in texts
        for other in texts
        if (found := said.get(pair_id(one, other))) and _is_about(found[0], item, one, other)
    ]


def _scored_about(
    item: StoredItem, texts: Sequence[WrittenCandidate], said: Mapping[str, tuple[StoredItem, Consensus]]
) -> list[str]:
    """Return the ids of the judging items of which each is about a text as it is."""
    return [
        str(one.number)
        for one in texts
        if (found := said.get(str(one.number))) and found[0].text == to_score(item.text, one.text)
    ]


def _by_pairs(
    item: StoredItem, texts: Sequence[WrittenCandidate], said: Mapping[str, tuple[StoredItem, Consensus]]
) -> list[JudgedText]:
    judged = {one.number: JudgedText(one) for one in texts}
    for one in texts:
        for other in texts:
            found = said.get(pair_id(one, other))
            if found is None or not _is_about(found[0], item, one, other):
                continue
            body = found[1].body
            if isinstance(body, Preference):
                won = None if body.choice is PreferredAlternative.TIE else body.choice is PreferredAlternative.A
                lost = None if won is None else not won
                judged[one.number] = judged[one.number].against(won, found[1].annotations)
                judged[other.number] = judged[other.number].against(lost, found[1].annotations)
    return _ranked(list(judged.values()))


def _is_about(found: StoredItem, item: StoredItem, one: WrittenCandidate, other: WrittenCandidate) -> bool:
    pair = found.pair
    return pair is not None and (found.text, pair.a, pair.b) == (item.text, one.text, other.text)


def _by_scores(
    item: StoredItem, texts: Sequence[WrittenCandidate], said: Mapping[str, tuple[StoredItem, Consensus]]
) -> list[JudgedText]:
    judged = []
    for one in texts:
        found = said.get(str(one.number))
        body = found[1].body if found and found[0].text == to_score(item.text, one.text) else None
        if found and isinstance(body, Score):
            judged.append(JudgedText(one, judgements=found[1].annotations, score=body.value))
        else:
            judged.append(JudgedText(one))
    return _ranked(judged)


def _ranked(judged: Sequence[JudgedText]) -> list[JudgedText]:
    return sorted(judged, key=lambda t: (t.merit is None, -(t.merit or 0.0), t.candidate.number))
