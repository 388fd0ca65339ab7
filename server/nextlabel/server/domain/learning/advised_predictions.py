"""Predictions for which advisors are asked, as they were in the runs that the learner heard them in.

A model knows what answers to those very questions are worth, so that an advisor is not asked in any other way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.learning.advice import AdviceSource, features_of
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.advisors import AdvisorSource
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.errors import DomainError, FailedPrecondition
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.advice import Advice
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions

ADVICE_LINE = "advice"
NOT_ASKED = "nobody was asked: the model predicts as well without advice"
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class AdvisedPrediction:
    """Predictions, and what advice there was for them.

    Attributes:
        version: the model version that predicted.
        probabilities_nC: float32, (n, C) in the order of the label space.
        answers: what the probabilities amount to.
        asked: answers that advisors gave to this; what is kept as advice is not asked again.
        cost: what those answers cost, now or when the same was asked before and paid for.
        failure: why the learner predicts some of the inputs alone, or ''.
    """

    version: ModelVersion
    probabilities_nC: Float32
    answers: Sequence[PredictedAnswer]
    asked: int = 0
    cost: Cost = field(default_factory=Cost)
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisedPredictions:
    """Asks advisors about what is to be predicted. Whatever goes wrong with them, the learner predicts alone."""

    store: StateStore
    pools: Pools
    learning: Learning
    advice: AdviceSource
    advisors: AdvisorSource
    clock: Clock

    async def of_items(self, project: Project, rows: Sequence[int], version: int = 0) -> AdvisedPrediction:
        """Predict items of the pool; what advisors answer is kept as advice about them.

        Raises:
            NotFound: there is no such version, or an item has no embedding yet.
            FailedPrecondition: nothing was trained yet, or not with advice.
        """
        asked = {item.row: item for item in await self.pools.to_annotate(project, list(dict.fromkeys(rows)))}
        embeddings_nD = await self.pools.embeddings(project, rows)
        said = await self.advice.said(project.id, rows)
        return await self._predicted(project, [asked.get(row) for row in rows], embeddings_nD, said, version)

    async def of_texts(
        self, project: Project, texts: Sequence[str], embeddings_nD: npt.NDArray[np.floating], version: int = 0
    ) -> AdvisedPrediction:
        """Predict texts, of which nothing is kept but the paid answers; equal texts are asked about once.

        Raises:
            NotFound: there is no such version.
            FailedPrecondition: nothing was trained yet, or not with advice.
        """
        places = {text: place for place, text in reversed(list(enumerate(texts)))}
        # Rows of the pool begin at 0.
        items = {
            text: ItemToAnnotate(f"text-{place}", -1 - place, text, embedding=tuple(map(float, embeddings_nD[place])))
            for text, place in places.items()
        }
        return await self._predicted(project, [items[text] for text in texts], embeddings_nD, {}, version)

    async def _predicted(
        self,
        project: Project,
        inputs: Sequence[ItemToAnnotate | None],
        embeddings_nD: npt.NDArray[np.floating],
        said: Mapping[int, Mapping[str, Answer]],
        version: int,
    ) -> AdvisedPrediction:
        found, model = await self.learning.model(project, version)
        choice = model.description.advice
        if choice is None:
            raise FailedPrecondition(
                f"model version {found.version} has heard no advice: start a run whose answers are kept as advice, "
                "and train",
                reason="NO_ADVICE",
            )
        known = {row: dict(given) for row, given in said.items()}
        asked, cost, failures = 0, Cost(), [] if model.blend is not None else [NOT_ASKED]
        for name in choice.advisors if model.blend is not None else ():
            missing = {i.row: i for i in inputs if i is not None and name not in known.get(i.row, {})}
            given, failure = await self._ask(project, name, list(missing.values())) if missing else ({}, "")
            for row, answer in given.items():
                known.setdefault(row, {})[name] = answer
            asked += sum(answer.outcome.reaches_learner for answer in given.values())
            cost = reduce(Cost.__add__, (answer.provenance.cost for answer in given.values()), cost)
            failures += [f"{name}: {failure}"] if failure else []
        heard = features_of(
            [known.get(i.row, {}) if i is not None else {} for i in inputs], choice.advisors, model.classes
        )
        predicted = await self.learning.hearing(project, model, embeddings_nD, heard)
        return AdvisedPrediction(found, *predicted, asked=asked, cost=cost, failure="; ".join(failures))

    async def _ask(
        self, project: Project, name: str, items: Sequence[ItemToAnnotate]
    ) -> tuple[Mapping[int, Answer], str]:
        """Return an advisor's answers by row, and why there is none to some, or ''."""
        options = await self.store.read(lambda tx: _newest_options(tx, project.id, name))
        if not isinstance(options, LlmOptions):
            return {}, "is no LLM that could be asked"
        try:
            self.advisors.check(options)
            advisor = await self.advisors.open(project, options, ADVICE_LINE, "")
        except DomainError as error:
            return {}, error.message
        try:
            opinions = await advisor.opinions(project, items)
        finally:
            await advisor.close()
        answered = {item.row: answer for item, answer in zip(items, opinions.answers, strict=True) if answer}
        await self.store.write(lambda tx: self._keep(tx, project.id, name, items, answered))
        return answered, opinions.failure

    def _keep(
        self,
        tx: Transaction,
        project: ProjectId,
        name: str,
        items: Sequence[ItemToAnnotate],
        answered: Mapping[int, Answer],
    ) -> None:
        useful = {row: a for row, a in answered.items() if row >= 0 and a.outcome.reaches_learner}
        gone = set(tx.pool.deleted_rows(project, list(useful)))
        ids, now = {item.row: item.item_id for item in items}, self.clock.now()
        tx.advice.put(
            [
                Advice(project, row, ids[row], name, answer, run="", created_at=now)
                for row, answer in useful.items()
                if row not in gone
            ]
        )


def _newest_options(tx: Transaction, project: ProjectId, name: str) -> object:
    """Return how an annotator was asked in the newest run whose answers are kept as its advice; None without one."""
    runs = [r for r in tx.runs.list(project) if r.spec.advice]
    for run in sorted(runs, key=lambda r: r.created_at, reverse=True):
        if isinstance(run.spec.annotator, LlmOptions) and run.spec.annotator.annotator_name == name:
            return run.spec.annotator
    return None
