"""How difficult the items of a project of texts were: by what was written of them, and by what judges said of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from nextlabel.server.assessment.consensus.votes import newest_answers
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.texts.judgements import Judgements, check_judging, check_texts
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.preference import is_consistent, place_preferred
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import PREFERENCES, Preference, Score, Text
from nextlabel.server.values.projects.projects import Project

FEWEST = 5
"""Items that something has to be known of: the mean of fewer says nothing about those near them."""


@dataclass(frozen=True, slots=True)
class TextDifficulties:
    """Implements `DifficultySource`."""

    store: StateStore
    labels: Labels
    judgements: Judgements

    async def of(self, project: Project, params: Mapping[str, Any]) -> Mapping[int, float]:
        """See `DifficultySource.of`."""
        check_texts(project)
        by, judged_by = str(params["by"]), str(params["judged_by"])
        if by == "texts":
            found = await self._by_texts(project)
            known, instead = "two texts or more", f"have several written: nextlabel run start {project.name} --texts 2"
        else:
            judging = await self.store.read(lambda tx: tx.projects.by_name(judged_by))
            found = {} if judging is None else await self._by_judges(project, judging, by)
            known = f"texts that were scored in {judged_by!r}"
            if by == "judges":
                known = f"texts that two judges, or an LLM in both orders, judged in {judged_by!r}"
            instead = f"put texts there (nextlabel texts judge {project.name} {judged_by}) and have them judged"
        if len(found) < FEWEST:
            raise FailedPrecondition(
                f"strategy difficulty by {by} goes by items with {known}, and project {project.name} has {len(found)} "
                f"of the {FEWEST} that it takes; {instead}, or take max_herding, which needs none",
                reason="NO_DIFFICULTIES",
            )
        if min(found.values()) == max(found.values()):
            raise FailedPrecondition(
                f"strategy difficulty by {by}: all {len(found)} items of project {project.name} that it goes by were "
                "equally difficult, so that it prefers none; take max_herding",
                reason="NO_DIFFICULTIES",
            )
        return found

    async def _by_texts(self, project: Project) -> Mapping[int, float]:
        given = await self.labels.rows(project)
        written = {row: given[row] for row in await self.judgements.rows(project)}
        texts = {row: [_text(a) for a in newest_answers(of_item, Text)] for row, of_item in written.items()}
        return {row: difference(several) for row, several in texts.items() if len(several) > 1}

    async def _by_judges(self, project: Project, judging: Project, by: str) -> Mapping[int, float]:
        check_judging(judging)
        rows = await self.judgements.rows(project)
        if by == "scores":
            _check_scores(judging)
            judged = await self.judgements.items(project, rows, judging)
            best = {one.item.row: one.best.merit for one in judged if one.best is not None}
            return {row: 1 - _share(judging, merit) for row, merit in best.items() if merit is not None}
        answers = await self.judgements.answers(project, rows, judging)
        apart = {
            row: [found for given in of_item if (found := disagreement(judging, given)) is not None]
            for row, of_item in answers.items()
        }
        return {row: fmean(found) for row, found in apart.items() if found}


def difference(texts: Sequence[str]) -> float:
    """Return how far texts of an item differ, in [0, 1]: 1 less the mean F1 of shared words over all pairs (ROUGE-1).

    Lin 2004, aclanthology.org/W04-1013.

    >>> difference(["we call you", "we call you"]), difference(["we call you", "no"])
    (0.0, 1.0)
    """
    words = [Counter(text.lower().split()) for text in texts]
    return 1 - fmean(_overlap(one, other) for one, other in combinations(words, 2))


def _overlap(one: Counter[str], other: Counter[str]) -> float:
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0


def disagreement(judging: Project, given: Sequence[Annotation]) -> float | None:
    """Return how far judges of a text or pair are apart, in [0, 1]; None where only one said something, once.

    That is the mean difference of two of them, as a share of the range of scores, or of the way from one text of a pair
    to the other with a tie in the middle. A judge alone that was asked in both orders is 1 apart from itself where it
    contradicted itself.
    """
    scores = judging.annotation_type is AnnotationType.SCORE
    newest = newest_answers(given, Score if scores else Preference)
    if len(newest) > 1:
        places = [_place(judging, annotation) for annotation in newest]
        return fmean(abs(one - other) for one, other in combinations(places, 2))
    if newest and place_preferred(newest[0].answer) is not None:
        return float(not is_consistent(newest[0].answer))
    return None


def _place(judging: Project, annotation: Annotation) -> float:
    body = annotation.answer.body
    if isinstance(body, Preference):
        return PREFERENCES.index(body.choice) / (len(PREFERENCES) - 1)
    return _share(judging, body.value) if isinstance(body, Score) else 0.0


def _share(judging: Project, score: float) -> float:
    """Return where a score lies in the range that is allowed, from 0 to 1."""
    allowed = judging.score_range
    return min(1.0, max(0.0, (score - allowed.minimum) / (allowed.maximum - allowed.minimum)))


def _check_scores(judging: Project) -> None:
    if judging.annotation_type is not AnnotationType.SCORE:
        raise FailedPrecondition(
            f"texts are compared in pairs in {judging.name}, which says of none how good it is; take by=judges, or "
            "have them scored: nextlabel texts judge … --by score",
            reason="NO_JUDGEMENTS",
        )


def _text(annotation: Annotation) -> str:
    body = annotation.answer.body
    return body.text if isinstance(body, Text) else ""
