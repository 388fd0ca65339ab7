"""Selects a batch with an LLM's advice.

Whatever goes wrong with the LLM, the batch is full: the rest comes in the shortlist's order, with the reason recorded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.selection.llm_strategies import CHOOSING, DISAGREEMENT, UNCERTAINTY, LlmStrategy
from nextlabel.server.ports.advisors import AdvisorSource
from nextlabel.server.ports.system import Executor
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.advice import Opinions, ShortlistChoice
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import AnnotatorChoice, LlmOptions
from nextlabel.strategies import Candidates, Pool, Selection, SelectionContext, Strategy
from nextlabel.strategies.candidates import SubPool
from nextlabel.strategies.composition.audit import draw_audit
from nextlabel.strategies.composition.chooser import Choice, settle_choice

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Request:
    """A batch to select for a run (or '' outside of runs) whose annotator is ``annotator``."""

    strategy: LlmStrategy
    count: int
    audit_share: float
    annotator: AnnotatorChoice | None
    run: str


@dataclass(frozen=True, slots=True)
class _Advice:
    """A choice, with the scores of the shortlist that it came from if there are any: NaN where nothing was said."""

    choice: ShortlistChoice
    scores_m: Scores | None = None


class AdvisedSelection:
    """Makes shortlists and has LLMs advise on them."""

    def __init__(self, pools: Pools, labels: Labels, executor: Executor, advisors: AdvisorSource) -> None:
        self._pools = pools
        self._labels = labels
        self._executor = executor
        self._advisors = advisors

    async def select(
        self, project: Project, request: Request, shortlisting: Strategy, pool: Pool, context: SelectionContext
    ) -> Selection:
        """Return a batch from the shortlist that ``shortlisting`` makes of the pool.

        Raises:
            InvalidArgument, FailedPrecondition: there is no LLM to ask, or it is not configured.
        """
        asked = request.strategy.asked(request.annotator)
        self._advisors.check(asked)
        size = request.strategy.shortlist_size(request.count)
        shortlist = await self._executor.run(lambda: shortlisting.select(pool, size, context))
        if request.strategy.name == DISAGREEMENT and context.predictor is None:
            advice = _Advice(ShortlistChoice((), (), f"{DISAGREEMENT} needs a model, which there is none of yet"))
        elif not len(shortlist):
            advice = _Advice(ShortlistChoice((), ()))
        else:
            advice = await self._asked(project, request, asked, shortlist, context)
        audit = round(request.audit_share * request.count)
        return await self._executor.run(lambda: _settled(pool, shortlist, request.count, advice, audit, context.seed))

    async def _asked(
        self,
        project: Project,
        request: Request,
        asked: LlmOptions,
        shortlist: Selection,
        context: SelectionContext,
    ) -> _Advice:
        items = await self._pools.to_annotate(project, shortlist.rows_k.tolist())
        advisor = await self._advisors.open(project, asked, request.strategy.line, request.run)
        try:
            if request.strategy.name == CHOOSING:
                labeled = Counter(
                    name
                    for found in (await self._labels.consensus(project)).values()
                    for name in type_of(found.body).classes(found.body)
                )
                return _Advice(await advisor.choose(project, items, request.count, labeled))
            opinions = await advisor.opinions(project, items)
        finally:
            await advisor.close()
        if request.strategy.name == UNCERTAINTY or context.predictor is None:
            return _least_sure(opinions)
        predictor = context.predictor
        embeddings = np.array([item.embedding for item in items], np.float32)
        probabilities = await self._executor.run(lambda: predictor.predict_proba(embeddings))
        return _most_doubted(opinions, project, np.asarray(probabilities, np.float32))


def _least_sure(opinions: Opinions) -> _Advice:
    scores = np.array([np.nan if c is None else 1.0 - c for c in opinions.confidences], np.float32)
    reasons = ["" if confidence is None else f"the LLM is {confidence:.0%} sure" for confidence in opinions.confidences]
    return _best_first(scores, reasons, opinions.failure or "the LLM gave no confidence")


def _most_doubted(opinions: Opinions, project: Project, probabilities_mC: Scores) -> _Advice:
    place = {name: i for i, name in enumerate(project.class_names)}
    # A class that was added after the model was trained has no column: the learner does not know it.
    believed = [
        None if label is None else float(row[place[label]]) if place[label] < len(row) else 0.0
        for label, row in zip(opinions.labels, probabilities_mC, strict=True)
    ]
    scores = np.array([np.nan if p is None else 1.0 - p for p in believed], np.float32)
    reasons = [
        "" if p is None else f"the LLM says {label!r}, the learner gives that {p:.0%}"
        for label, p in zip(opinions.labels, believed, strict=True)
    ]
    return _best_first(scores, reasons, opinions.failure or "the LLM gave no label")


def _best_first(scores_m: Scores, reasons_m: list[str], failure: str) -> _Advice:
    """Choose what has a score, highest first, ties in the shortlist's order."""
    order = np.argsort(-scores_m, kind="stable")
    positions = order[~np.isnan(scores_m[order])].tolist()
    return _Advice(ShortlistChoice(positions, [reasons_m[p] for p in positions], failure), scores_m)


def _settled(pool: Pool, shortlist: Selection, k: int, advice: _Advice, audit: int, seed: int) -> Selection:
    """Return the batch: what was advised, then the shortlist's order, then ``audit`` uniform picks."""
    rows = shortlist.rows_k
    scores = shortlist.scores_k if advice.scores_m is None else advice.scores_m
    draw = draw_audit(pool, min(audit, len(pool)), seed) if audit else None
    candidates = Candidates(SubPool(pool, rows), rows, len(pool), scores, draw)
    choice = Choice(list(advice.choice.positions), list(advice.choice.reasons))
    return settle_choice(candidates, k, choice, advice.choice.failure or "the model chose too few")
