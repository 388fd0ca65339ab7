"""Hands every item of a pool over with a label, and says which of them no person has to look at."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from nextlabel.server.assessment.routing.acceptance import Promise
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.domain.learning.types.task_learners import task_learner
from nextlabel.server.domain.pool.pools import KnownPool, Pools
from nextlabel.server.domain.reports.delivery.evidence import UNKNOWN_SCORE, DeliveryEvidence
from nextlabel.server.domain.reports.delivery.judging import Judge, summarize
from nextlabel.server.domain.reports.delivery.labels import DeliveredItem, DeliveredLabel, DeliverySummary, LabelSource
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project

DEFAULT_ACCURACY = 0.95

_BLOCK = 16_384
_KEPT = 8


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some items in the order in which they were added; ``after`` is the row to go on from, None after the last."""

    items: Sequence[DeliveredItem]
    after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """Labels every item; what was found of a pool serves all pages of a listing."""

    store: StateStore
    pools: Pools
    labels: Labels
    learning: Learning
    budgets: Budgets
    executor: Executor
    _kept: LRUCache[str, Judge] = field(init=False, default_factory=lambda: LRUCache(_KEPT))
    _finding: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    async def found(self, project: Project, accuracy: float) -> tuple[str, DeliverySummary]:
        """Return what is said of all labels under a promise, with the key that pages of the listing go by.

        An ``accuracy`` of 0 is taken as 0.95. It takes one pass over the pool when anything has changed.

        Raises:
            InvalidArgument: the accuracy does not lie strictly between 0 and 1.
            FailedPrecondition: no learner is trained on the project's annotations.
        """
        key, judge = await self._judge(project, accuracy)
        return key, judge.summary

    async def page(self, project: Project, accuracy: float, key: str, after: int, size: int) -> DeliveryPage:
        """Return up to ``size`` items with a row above ``after``, judged as the first page of the listing was.

        Raises:
            FailedPrecondition: what ``key`` stands for is not known any more, since labels or the model changed.
        """
        judge = await self.judge(project, accuracy, key)
        pool = await self.pools.open(project.id)
        rows = _alive(pool)
        rows = rows[rows > after]
        part = rows[:size].tolist()
        stored = await self.pools.items(project.id, part)
        by_row, consensus = await self.labels.rows(project), await self.labels.consensus(project)
        predicted = await self.predictions(project, judge.summary.model_version, part)
        kind = task_type(project.annotation_type)
        items = []
        for item in stored:
            known = pool.references.get(item.row)
            if known is not None and known.split.has_answer:
                labeled = DeliveredLabel(kind.parsed(known.label), LabelSource.REFERENCE)
            else:
                agreed, given = consensus.get(item.row), by_row.get(item.row, ())
                labeled = judge.labeled(item.row, agreed, given, predicted.get(item.row))
            items.append(DeliveredItem(item, labeled))
        return DeliveryPage(items, part[-1] if len(rows) > size else None)

    async def judge(self, project: Project, accuracy: float, key: str) -> Judge:
        """Return by what the listing of a key labels items.

        Raises:
            FailedPrecondition: what ``key`` stands for is not known any more, since labels or the model changed.
        """
        judge = self._kept.get(_key_in(project, key))
        if judge is None:
            now, judge = await self._judge(project, accuracy)
            if now != key:
                raise FailedPrecondition(
                    "labels, items or the model have changed since this listing began, and another server or a restart "
                    "has forgotten what it went by; begin again without a page token",
                    reason="DELIVERY_CHANGED",
                )
        return judge

    async def _judge(self, project: Project, accuracy: float) -> tuple[str, Judge]:
        task_learner(project)
        accuracy = accuracy or DEFAULT_ACCURACY
        if not 0 < accuracy < 1:
            raise InvalidArgument.field("accuracy", f"strictly between 0 and 1, got {accuracy:g}")
        async with self._finding:
            pool = await self.pools.open(project.id)
            newest = await self.store.read(lambda tx: tx.models.latest(project.embeddings))
            version = newest.version if newest else 0
            last = await self.labels.revision(project)
            gold = len(pool.gold)
            state = (project.id, version, last, pool.index.next_row, len(pool.deleted), gold, accuracy)
            key = hashlib.sha256(repr(state).encode()).hexdigest()[:24]
            held = _key_in(project, key)
            if held not in self._kept:
                evidence, learner_version = await self._read(project, pool, version)
                spent = await self.store.read(lambda tx: self.budgets.spent(tx, project.id, None))
                self._kept[held] = await self.executor.run(
                    lambda: summarize(evidence, Promise(accuracy), spent, learner_version)
                )
            return key, self._kept[held]

    async def evidence(self, project: Project, version: int = 0) -> tuple[DeliveryEvidence, int]:
        """Return what is known of all items now, and the model version that predicts them, 0 without one.

        It is the newest model where no ``version`` is given.
        """
        newest = await self.store.read(lambda tx: tx.models.latest(project.embeddings))
        version = version or (newest.version if newest else 0)
        return await self._read(project, await self.pools.open(project.id), version)

    async def _read(self, project: Project, pool: KnownPool, version: int) -> tuple[DeliveryEvidence, int]:
        alive = _alive(pool)
        gold = {row: item.label for row, item in pool.gold.items()}
        predicted_N = np.full(pool.index.next_row, np.nan)
        learned_gold = {}
        for start in range(0, len(alive) if version else 0, _BLOCK):
            block = alive[start : start + _BLOCK].tolist()
            for row, answer in (await self.predictions(project, version, block)).items():
                predicted_N[row] = UNKNOWN_SCORE if answer.probability is None else answer.probability
                if row in gold:
                    learned_gold[row] = answer.body
        apart = [row for row, item in pool.references.items() if item.split.has_answer]
        rows_n = alive[~np.isin(alive, np.array(apart, np.int64))]
        by_row = {row: tuple(given) for row, given in (await self.labels.rows(project)).items()}
        consensus = dict(await self.labels.consensus(project))
        found = DeliveryEvidence(
            project=project,
            rows_n=rows_n,
            asked_n=alive[~np.isin(alive, np.array(list(pool.references), np.int64))],
            by_row=by_row,
            consensus=consensus,
            deleted=set(pool.deleted),
            gold=gold,
            predicted_N=predicted_N,
            learned_gold=learned_gold,
            joining=await self.labels.joining(project),
        )
        return found, version if not np.isnan(predicted_N).all() else 0

    async def predictions(self, project: Project, version: int, rows: Sequence[int]) -> Mapping[int, PredictedAnswer]:
        """Return what a version says of those rows that are embedded; nothing where its file is damaged."""
        if not version or not rows:
            return {}
        rows_n = np.asarray(rows, np.int64)
        embedded = rows_n[await self.learning.samples.embedded(project.id, rows_n)].tolist()
        if not embedded:
            return {}
        embeddings_nD = await self.pools.embeddings(project, embedded)
        try:
            _, _, answers = await self.learning.answers(project, embeddings_nD, version, embedded)
        except FailedPrecondition:
            return {}
        return dict(zip(embedded, answers, strict=True))


def _alive(pool: KnownPool) -> Rows:
    """Return the rows that are not deleted, nor single texts that only pairs are made of, ascending."""
    mask: npt.NDArray[np.bool_] = np.ones(pool.index.next_row, np.bool_)
    unpaired = (row for row, item in pool.references.items() if item.split is Split.UNPAIRED)
    mask[[row for row in (*pool.deleted, *unpaired) if row < len(mask)]] = False
    return np.flatnonzero(mask)


def _key_in(project: Project, key: str) -> str:
    return f"{project.id}/{key}"
