"""Has an LLM write texts of a class, and says of each whether it may be used, and of all whether they help.

Written texts are no items: they are returned, not put into the pool, so none is ever leased, drawn into an audit, used
as holdout or gold, or counted in an estimate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.synthesis.gate import Candidates, RealTexts, rule
from nextlabel.server.assessment.synthesis.realism import Realism, realism
from nextlabel.server.domain.budgets.paid_calls import CallLedger, Ledgers
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.training_labels.labeled import Labeled
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.synthesis.plans import plan
from nextlabel.server.learners.training import TrainingSet
from nextlabel.server.learners.usefulness import Usefulness, WrittenTexts, usefulness
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor
from nextlabel.server.ports.writers import Writer, WriterSource
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted, FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions
from nextlabel.server.values.synthesis import Judged, Verdict, WritingRequest, Written

MOST_TEXTS = 200
_MOST_SEEDS = 1_000
_MOST_MEASURING = 2_000
_ENOUGH_TRUSTED = 30
_FEWEST_ALLOWED = 20
_CALLS_AT_A_TIME = 8

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """What is to be written: ``count`` texts of ``label``, near ``boundary`` unless it is ''. A limit of 0 is none."""

    label: str
    boundary: str
    count: int
    writer: LlmOptions
    limit: Cost


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


@dataclass(frozen=True, slots=True)
class _Real:
    """Real items of one class of the pool, with their embeddings."""

    items: Sequence[ItemToAnnotate]
    embeddings_nD: Float32


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisGate:
    """Writes, judges and measures."""

    store: StateStore
    pools: Pools
    embedding: Embedding
    projects: Projects
    labels: Labels
    learning: Learning
    ledgers: Ledgers
    writers: WriterSource
    executor: Executor

    async def synthesize(self, project: Project, request: SynthesisRequest) -> Synthesis:
        """Write texts and judge them. An equal call finds what an earlier one has paid for, and pays for the rest.

        Raises:
            InvalidArgument: a class that the project has not, or a count out of range.
            FailedPrecondition: the server makes no embeddings for the project, or it has no model to judge by.
            BudgetExhausted, AnnotatorStopped: nothing could be written at all.
        """
        _check(project, request)
        self.writers.check(request.writer)
        await self.learning.model(project)
        await self.embedding.wait(project.id)
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        own, other = await self._real(project, request.label), await self._real(project, request.boundary)
        requests = plan(request.label, request.boundary, request.count, own.items, other.items)
        ledger = CallLedger(self.ledgers.of(project.id), request.limit)
        writer = self.writers.open(project, request.writer, ledger)
        try:
            written, stopped = await _written(writer, task, requests)
        finally:
            await writer.close()
        texts = [text for one in written for text in one.texts]
        embeddings_MD = _unit(await self.embedding.embed_texts(texts)) if texts else own.embeddings_nD[:0]
        judged = await self._judged(project, request, written, embeddings_MD, own)
        passed = [i for i, one in enumerate(judged) if one.verdict is Verdict.PASSED]
        shown = [item.text for item in own.items]
        return Synthesis(
            texts=judged,
            model=writer.name,
            cost=ledger.spent,
            problems=sorted({one.problem for one in written if one.problem}),
            stopped=stopped,
            realism=await self.executor.run(lambda: realism(texts, embeddings_MD, shown, own.embeddings_nD)),
            usefulness=await self._usefulness(project, [judged[i] for i in passed], embeddings_MD[passed]),
        )

    async def _real(self, project: Project, label: str) -> _Real:
        """Return pool items of a class, never of holdout or gold; trusted ones where there are any."""
        kept_back = set((await self.pools.open(project.id)).unusable_rows().tolist())
        agreed = [c for row, c in (await self.labels.consensus(project)).items() if row not in kept_back]
        of_label = [c for c in agreed if c.label == label]
        trusted = [c for c in of_label if c.trusted] or of_label
        items = await self.pools.to_annotate(project.id, sorted(c.row for c in trusted)[:_MOST_SEEDS])
        if not items:
            return _Real((), np.zeros((0, project.embedding_dimension), np.float32))
        return _Real(items, _unit(await self.pools.embeddings(project.id, [item.row for item in items])))

    async def _judged(
        self,
        project: Project,
        request: SynthesisRequest,
        written: Sequence[Written],
        embeddings_MD: Float32,
        own: _Real,
    ) -> list[Judged]:
        origin = [one.request for one in written for _ in one.texts]
        texts = [text for one in written for text in one.texts]
        if not texts:
            return []
        _, probabilities_MC = await self.learning.predict(project, embeddings_MD)
        found_M = probabilities_MC.argmax(axis=1)
        names = [project.class_names[c] for c in found_M.tolist()]
        why = [
            f"the learner finds {name!r} ({p:.0%})"
            for name, p in zip(names, probabilities_MC.max(axis=1).tolist(), strict=True)
        ]
        candidates = Candidates(texts, embeddings_MD, np.array([name == request.label for name in names]), why)
        real = await self._held_against(project, embeddings_MD, own)
        cap = max(_FEWEST_ALLOWED, len(own.items))
        rulings = await self.executor.run(lambda: rule(candidates, real, cap))
        return [
            Judged(
                text=text,
                label=request.label,
                seeds=[seed.item_id for seed in asked.seeds],
                attributes=asked.attributes,
                verdict=ruling.verdict,
                detail=ruling.detail,
            )
            for text, asked, ruling in zip(texts, origin, rulings, strict=True)
        ]

    async def _held_against(self, project: Project, embeddings_MD: Float32, own: _Real) -> RealTexts:
        pool = await self.pools.open(project.id)
        rows = sorted(row for row, item in pool.references.items() if item.split.has_answer)
        items = await self.pools.items(project.id, rows)
        evaluating = await self.pools.embeddings(project.id, [item.row for item in items]) if items else None
        return RealTexts(
            evaluating=[item.text for item in items],
            evaluating_RD=embeddings_MD[:0] if evaluating is None else _unit(evaluating),
            nearest_M=await self.executor.run(lambda: self._nearest(project, embeddings_MD)),
            lengths=[len(item.text) for item in own.items],
        )

    def _nearest(self, project: Project, embeddings_MD: Float32) -> Float32:
        """Stream the pool past the texts: the cosine of each with the item that is most like it."""
        best_M = np.full(len(embeddings_MD), -1, np.float32)
        for block in self.pools.arrays.scan_embeddings(project.id):
            best_M = np.maximum(best_M, (_unit(block.embeddings_nD) @ embeddings_MD.T).max(axis=0))
        return best_M

    async def _usefulness(
        self, project: Project, passed: Sequence[Judged], embeddings_SD: Float32
    ) -> Usefulness | None:
        rows, training = _measuring(await self.learning.every_label(project))
        ids = [item.item_id for item in await self.pools.items(project.id, rows.tolist())]
        if len(ids) != len(rows):
            return None  # an item was deleted in between
        seeds_SN = np.array([[item_id in one.seeds for item_id in ids] for one in passed], np.bool_)
        place = {name: i for i, name in enumerate(training.classes)}
        written = WrittenTexts(
            embeddings_SD,
            np.array([place[one.label] for one in passed], np.int64),
            seeds_SN.reshape(len(passed), len(ids)),
        )
        return await self.executor.run(
            lambda: usefulness(_unit(training.embeddings_ND), training.labels_N, written, training.n_classes)
        )


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


def _measuring(labeled: Labeled) -> tuple[Rows, TrainingSet]:
    """Return the rows and labels that measure: the trusted ones where they are enough, no more than are needed."""
    trusted = np.flatnonzero(labeled.training.trusted_N)
    rows = trusted if len(trusted) >= _ENOUGH_TRUSTED else np.arange(len(labeled.rows_N))
    if len(rows) > _MOST_MEASURING:
        rows = np.sort(np.random.default_rng(0).choice(rows, _MOST_MEASURING, replace=False))
    return labeled.rows_N[rows], labeled.training.take(rows)


def _check(project: Project, request: SynthesisRequest) -> None:
    violations = []
    known = ", ".join(project.class_names[:20])
    if request.label not in project.class_names:
        violations.append(("label", f"{request.label[:100]!r} is no class of this project; it has {known}"))
    if request.boundary and (request.boundary not in project.class_names or request.boundary == request.label):
        violations.append(("boundary", f"must be another class of this project; it has {known}"))
    if not 1 <= request.count <= MOST_TEXTS:
        violations.append(("count", f"from 1 to {MOST_TEXTS}, got {request.count}"))
    violations += [
        (f"limit.{dimension.value}", "must not be negative")
        for dimension in BudgetDimension
        if request.limit.amount(dimension) < 0
    ]
    if not task_type(project.annotation_type).one_class:
        raise FailedPrecondition(
            f"project {project.name} asks for {project.annotation_type.value} annotations; texts are written for "
            "projects of single labels only",
            reason="NOT_SINGLE_LABEL",
        )
    if violations:
        raise InvalidArgument(violations)
    if not project.embedding_model:
        raise FailedPrecondition(
            f"the embeddings of project {project.name} are given by its clients, so that written texts cannot be "
            "compared with its items; use a project whose texts the server embeds",
            reason="EMBEDDINGS_GIVEN",
        )


def _unit(embeddings_nD: npt.NDArray[np.floating]) -> Float32:
    floats = np.asarray(embeddings_nD, np.float32)
    return np.asarray(floats / np.maximum(np.linalg.norm(floats, axis=1, keepdims=True), 1e-12), np.float32)
