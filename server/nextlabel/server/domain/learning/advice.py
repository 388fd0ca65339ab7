"""What annotators advise on items, as features for the learner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from nextlabel.server.learners.advice.features import AdviceFeatures, Opinion, advice_features
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.answers import Answer, Label


@dataclass(frozen=True, slots=True)
class AdviceSource:
    """Reads the advice about rows."""

    store: StateStore

    async def features(
        self, project: ProjectId, rows: Sequence[int], classes: Sequence[str], *, without: Set[int] = frozenset()
    ) -> AdviceFeatures | None:
        """Return all advice about rows, in their order, over these classes; None where nobody has ever advised.

        Of the rows ``without`` it is as if nothing had been said.
        """
        advisors = tuple(await self.store.read(lambda tx: tx.advice.annotators(project)))
        if not advisors:
            return None
        return await self._features(project, rows, advisors, classes, without)

    async def heard(self, project: ProjectId, rows: Sequence[int], model: TrainedModel) -> AdviceFeatures | None:
        """Return the advice about rows of those whom a model hears, whoever else has advised since.

        None where it hears none.
        """
        if model.blend is None:
            return None
        return await self._features(project, rows, model.blend.advisors, model.classes)

    async def _features(
        self,
        project: ProjectId,
        rows: Sequence[int],
        advisors: tuple[str, ...],
        classes: Sequence[str],
        without: Set[int] = frozenset(),
    ) -> AdviceFeatures:
        said = await self.said(project, [row for row in rows if row not in without])
        return features_of([said.get(row, {}) for row in rows], advisors, classes)

    async def said(self, project: ProjectId, rows: Sequence[int]) -> Mapping[int, Mapping[str, Answer]]:
        """Return the answers that are kept about rows, by row and name of the advisor."""
        said: dict[int, dict[str, Answer]] = {}
        for advice in await self.store.read(lambda tx: tx.advice.of(project, rows)):
            said.setdefault(advice.row, {})[advice.annotator] = advice.answer
        return said


def features_of(
    said: Sequence[Mapping[str, Answer]], advisors: tuple[str, ...], classes: Sequence[str]
) -> AdviceFeatures:
    """Return as features what advisors say of each item, over these classes."""
    place = {name: i for i, name in enumerate(classes)}
    opinions = [
        {name: opinion for name, answer in given.items() if (opinion := _opinion(answer, place)) is not None}
        for given in said
    ]
    return advice_features(opinions, advisors, len(classes))


def _opinion(answer: Answer, place: Mapping[str, int]) -> Opinion | None:
    """What an answer says of the classes that there are; None where it names none of them."""
    shares = {place[name]: share for name, share in _shares(answer).items() if name in place and share > 0}
    if not shares:
        return None
    total = sum(shares.values())
    return Opinion({c: share / total for c, share in shares.items()}, answer.confidence)


def _shares(answer: Answer) -> dict[str, float]:
    if answer.candidates:
        return {candidate.label: candidate.probability for candidate in answer.candidates}
    return {answer.body.name: 1.0} if isinstance(answer.body, Label) else {}
