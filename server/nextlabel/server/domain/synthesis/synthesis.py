"""Has an LLM write texts for a target, and says of each whether it may be used, and of all whether they help.

Written texts are no items: they are returned, not put into the pool, so none is ever leased, drawn into an audit, used
as holdout or gold, or counted in an estimate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.synthesis.gate import Candidates, rule
from nextlabel.server.assessment.synthesis.realism import Realism, realism
from nextlabel.server.domain.budgets.paid_calls import CallLedger, Ledgers
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.training_labels.labeled import Labeled
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.synthesis.kinds import LearnerAgreement, TextKind, text_kind
from nextlabel.server.domain.synthesis.plans import plan
from nextlabel.server.domain.synthesis.real_texts import RealTextSource, Seeds, unit
from nextlabel.server.domain.synthesis.requests import SynthesisRequest
from nextlabel.server.learners.usefulness import Usefulness, WrittenTexts, usefulness
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor
from nextlabel.server.ports.writers import Writer, WriterSource
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted, FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.synthesis import Judged, Target, Verdict, WritingRequest, Written

_MOST_MEASURING = 2_000
_ENOUGH_TRUSTED = 30
_FEWEST_ALLOWED = 20
_CALLS_AT_A_TIME = 8

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Synthesis:
    """What was written, what may be used of it, and what it would do.

    ``problems`` say, with how often, why calls gave no texts; ``stopped`` why not everything was written.
    ``usefulness`` is None where there are too few real labels to tell, or nothing to tell about.
    """

    texts: Sequence[Judged]
    model: str
    cost: Cost
    problems: Sequence[str]
    stopped: str
    realism: Realism
    usefulness: Usefulness | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisGate:
    """Writes, judges and measures."""

    store: StateStore
    pools: Pools
    embedding: Embedding
    projects: Projects
    real_texts: RealTextSource
    learning: Learning
    ledgers: Ledgers
    writers: WriterSource
    executor: Executor

    async def synthesize(self, project: Project, request: SynthesisRequest) -> Synthesis:
        """Write texts and judge them. An equal call finds what an earlier one has paid for, and pays for the rest.

        Raises:
            InvalidArgument: something that the project has not, or a count out of range.
            FailedPrecondition: the server makes no embeddings for the project, it has no model to judge by, or no items
                like those that were asked for.
            BudgetExhausted, AnnotatorStopped: nothing could be written at all.
        """
        kind, target = _checked(project, request)
        await self.embedding.check(project)
        self.writers.check(request.writer)
        if target is not None:
            await self.learning.model(project)
        await self.embedding.wait(project)
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        seeds = await self.real_texts.seeds(project, kind, target, request)
        ledger = CallLedger(self.ledgers.of(project.id), request.limit)
        writer = self.writers.open(project, request.writer, ledger)
        try:
            written, stopped = await _written(writer, task, plan(request, target, seeds))
        finally:
            await writer.close()
        texts = [one.text for call in written for one in call.texts]
        embeddings_MD = unit(await self.embedding.embed_texts(project, texts)) if texts else seeds.own_nD[:0]
        judged = await self._judged(project, kind, target, written, embeddings_MD, seeds)
        passed = [i for i, one in enumerate(judged) if one.verdict is Verdict.PASSED]
        usable = [judged[i] for i in passed]
        shown = [item.text for item in seeds.own]
        return Synthesis(
            texts=judged,
            model=writer.name,
            cost=ledger.spent,
            problems=sorted({one.problem for one in written if one.problem}),
            stopped=stopped,
            realism=await self.executor.run(lambda: realism(texts, embeddings_MD, shown, seeds.own_nD)),
            usefulness=await self._usefulness(project, kind, target, usable, embeddings_MD[passed]),
        )

    async def _judged(
        self,
        project: Project,
        kind: TextKind,
        target: Target,
        written: Sequence[Written],
        embeddings_MD: Float32,
        seeds: Seeds,
    ) -> list[Judged]:
        texts = [(call.request, one) for call in written for one in call.texts]
        if not texts:
            return []
        opinion = await self._opinion(project, kind, target, embeddings_MD)
        candidates = Candidates([one.text for _, one in texts], embeddings_MD, opinion.agrees_M, opinion.found)
        real = await self.real_texts.held_against(project, embeddings_MD, seeds)
        cap = max(_FEWEST_ALLOWED, len(seeds.own))
        rulings = await self.executor.run(lambda: rule(candidates, real, cap))
        return [
            Judged(
                written=one,
                target=target,
                seeds=[seed.item_id for seed in (*asked.seeds, *asked.rare)],
                attributes=asked.attributes,
                verdict=ruling.verdict,
                detail=ruling.detail,
            )
            for (asked, one), ruling in zip(texts, rulings, strict=True)
        ]

    async def _opinion(
        self, project: Project, kind: TextKind, target: Target, embeddings_MD: Float32
    ) -> LearnerAgreement:
        everything = LearnerAgreement(np.ones(len(embeddings_MD), np.bool_), [""] * len(embeddings_MD))
        if target is None:
            return everything
        _, probabilities_MC, answers = await self.learning.answers(project, embeddings_MD)
        return kind.opinion(probabilities_MC, answers, target, project) or everything

    async def _usefulness(
        self, project: Project, kind: TextKind, target: Target, passed: Sequence[Judged], embeddings_SD: Float32
    ) -> Usefulness | None:
        if target is None:
            return None
        labeled = _measuring(await self.learning.every_label(project))
        ids = [item.item_id for item in await self.pools.items(project.id, labeled.rows_N.tolist())]
        truth = kind.truth(labeled.training)
        if truth is None or len(ids) != len(labeled.rows_N):
            return None  # nothing is measured by, or an item was deleted in between
        seeds_SN = np.array([[item_id in one.seeds for item_id in ids] for one in passed], np.bool_)
        written = WrittenTexts(
            embeddings_SD, kind.targets(target, len(passed), project), seeds_SN.reshape(len(passed), len(ids))
        )
        return await self.executor.run(lambda: usefulness(unit(labeled.embeddings_ND), truth, written))


async def _written(writer: Writer, task: Task, requests: Sequence[WritingRequest]) -> tuple[list[Written], str]:
    """Make the calls, some at a time; return what came of them, and why those that are missing were not made."""
    turns = asyncio.Semaphore(_CALLS_AT_A_TIME)
    stopped: list[BudgetExhausted | AnnotatorStopped] = []

    async def one(request: WritingRequest) -> Written | None:
        async with turns:
            if stopped:
                return None
            try:
                return await writer.write(task, request)
            except (BudgetExhausted, AnnotatorStopped) as reason:
                stopped.append(reason)
                return None

    written = [found for found in await asyncio.gather(*map(one, requests)) if found is not None]
    if stopped and not written:
        raise stopped[0]
    return written, stopped[0].message if stopped else ""


def _measuring(labeled: Labeled) -> Labeled:
    """Return the labels that measure: the trusted ones where they are enough, no more than are needed."""
    trusted_N = np.array([one.trusted for one in labeled.consensus], np.bool_)
    rows = np.flatnonzero(trusted_N) if trusted_N.sum() >= _ENOUGH_TRUSTED else np.arange(len(trusted_N))
    if len(rows) > _MOST_MEASURING:
        rows = np.sort(np.random.default_rng(0).choice(rows, _MOST_MEASURING, replace=False))
    return labeled.take(rows)


def _checked(project: Project, request: SynthesisRequest) -> tuple[TextKind, Target]:
    kind = text_kind(project)
    target, problems = kind.target(request, project)
    violations = [*problems, *request.violations()]
    if violations:
        raise InvalidArgument(violations)
    if not project.embedding_model:
        raise FailedPrecondition(
            f"the embeddings of project {project.name} are given by its clients, so that written texts cannot be "
            "compared with its items; use a project whose texts the server embeds",
            reason="EMBEDDINGS_GIVEN",
        )
    return kind, target
