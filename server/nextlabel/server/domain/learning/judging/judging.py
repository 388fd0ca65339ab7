"""Has an LLM judge the labels of a project, those about gold items first: how right it is there stands beside the rest.

A verdict is kept as it comes, and what was paid for is found again, so that a call that was cut off is made again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from nextlabel.server.domain.budgets.paid_calls import CallLedger, Ledgers
from nextlabel.server.domain.learning.judging.questions import GivenLabel, asked_about, judging_task, ruling_of
from nextlabel.server.domain.learning.training_labels.judges import JudgeReport, Judges, model_answers
from nextlabel.server.domain.learning.training_labels.label_filters import LabelFilters, check_filters
from nextlabel.server.domain.learning.training_labels.verdicts import about
from nextlabel.server.domain.pool.deletions import unless_deleted
from nextlabel.server.domain.pool.pools import as_asked
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.ports.label_judges import LabelJudge, LabelJudgeSource
from nextlabel.server.ports.quotes import RunQuote
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted, InvalidArgument
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Answer, Body, Outcome
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.labeling.verdicts import LabelRuling, LabelVerdict
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions

MOST_A_CALL: Final = 500
_USUAL_A_CALL = 200
_MOST_GOLD = 300
"""Answers about gold items that a judge is measured on at most."""
_QUOTED = 100
_KEPT_TOGETHER = 25
_MOST_PROBLEMS = 8


@dataclass(frozen=True, slots=True)
class JudgingRequest:
    """Who judges which labels: those that ``rule`` names, '' for all that no person gave or confirmed.

    At most ``most`` are judged, 0 for 200. A limit of 0 is none. ``quote_only`` asks nothing that costs.
    """

    judge: LlmOptions
    limit: Cost
    rule: str = ""
    most: int = 0
    quote_only: bool = False


@dataclass(frozen=True, slots=True)
class Judging:
    """What came of a call: ``rulings`` it gave, labels that are ``left``, and why others have none.

    ``gold`` counts the labels about gold items among those that the quote is of; ``quoted`` counts all of them.
    ``problems`` tell how often answers were of no use, by what was wrong. ``report`` is of all verdicts so far.
    """

    judge: str
    quote: RunQuote
    quoted: int
    gold: int
    rulings: Mapping[LabelRuling, int]
    left: int
    cost: Cost
    problems: Mapping[str, int]
    stopped: str
    report: JudgeReport | None


@dataclass(frozen=True, slots=True)
class _Place:
    """A label that waits for a verdict, by its row."""

    row: int
    body: Body
    given: Sequence[Annotation]
    about: str
    gold: bool


@dataclass(slots=True)
class _Told:
    """What came of the labels so far. ``unkept`` verdicts are not in the store yet."""

    rulings: Counter[LabelRuling] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    unkept: list[LabelVerdict] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelJudging:
    """Judges labels. Labels of people and of known answers are never judged."""

    store: StateStore
    filters: LabelFilters
    judges_on_gold: Judges
    projects: Projects
    ledgers: Ledgers
    judges: LabelJudgeSource
    clock: Clock

    async def judge(self, project: Project, request: JudgingRequest) -> Judging:
        """Judge labels, or say what it would cost.

        Raises:
            InvalidArgument: an option or a count out of range, or no rule.
            FailedPrecondition: answers of the project's type are neither classes nor scores.
            BudgetExhausted, AnnotatorStopped: nothing could be judged at all.
        """
        check_filters(project)
        _check(request)
        self.judges.check(request.judge)
        async with unless_deleted(self.store, project.id):
            if request.quote_only:
                return await self._judged(project, request)
            # Two calls at a time would pay for the same verdicts.
            async with self.store.held(f"judging/{project.id}"):
                return await self._judged(project, request)

    async def _judged(self, project: Project, request: JudgingRequest) -> Judging:
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        ledger = CallLedger(self.ledgers.of(project.id), request.limit)
        judge = self.judges.open(request.judge, ledger)
        told, stopped = _Told(), ""
        try:
            places = await self._places(project, request.rule, task, judge.name)
            quoted = places if request.quote_only else places[: request.most or _USUAL_A_CALL]
            quote = await self._quote(project, judge, judging_task(task), quoted)
            if not request.quote_only:
                stopped = await self._ask(project, judge, judging_task(task), quoted, told)
        finally:
            await judge.close()
        reports = await self.judges_on_gold.reports(project)
        return Judging(
            judge=judge.name,
            quote=quote,
            quoted=len(quoted),
            gold=sum(place.gold for place in quoted),
            rulings=told.rulings,
            left=len(places) - told.rulings.total(),
            cost=ledger.spent,
            problems=dict(told.problems.most_common(_MOST_PROBLEMS)),
            stopped=stopped,
            report=next((one for one in reports if one.judge == judge.name), None),
        )

    async def _places(self, project: Project, rule: str, task: Task, judge: str) -> list[_Place]:
        """Return the labels without a verdict of the judge, those about gold items first."""
        digest = task.guidelines.digest
        given = await self.store.read(lambda tx: tx.filters.verdicts(project.id))
        judged = {(one.row, one.about) for one in given if one.judge == judge}
        by_row = await self.judges_on_gold.labels.rows(project)
        agreed = {row: one for row, one in (await self.filters.labeled.usable(project)).items() if not one.trusted}
        if rule:
            named = (await self.filters.preview(project, rule)).by_row
            agreed = {row: one for row, one in agreed.items() if row in named}
        gold = (await self.judges_on_gold.pools.open(project.id)).gold
        on_gold = [
            _Place(row, one.answer.body, [one], about(one.answer.body, digest), True)
            for row in sorted(gold, key=lambda row: (gold[row].text_hash, row))
            for one in model_answers(by_row.get(row, ()))
            if one.answer.body is not None
        ][:_MOST_GOLD]
        others = [
            _Place(row, one.body, by_row.get(row, ()), about(one.body, digest), False)
            for row, one in sorted(agreed.items())
        ]
        return [place for place in (*on_gold, *others) if (place.row, place.about) not in judged]

    async def _quote(self, project: Project, judge: LabelJudge, task: Task, places: Sequence[_Place]) -> RunQuote:
        step = max(1, len(places) // _QUOTED)
        drawn = await self._labels(project, places[::step][:_QUOTED])
        quote = await judge.quote(task, [asked_about(one) for one in drawn])
        share = len(places) / max(1, len(drawn))
        low, expected, upper = (
            Cost(tokens=round(one.tokens * share), micro_usd=round(one.micro_usd * share))
            for one in (quote.low, quote.expected, quote.upper)
        )
        return RunQuote(low, expected, upper, quote.assumptions)

    async def _labels(self, project: Project, places: Sequence[_Place]) -> list[GivenLabel]:
        rows = list(dict.fromkeys(place.row for place in places))
        items = {item.row: as_asked(item) for item in await self.filters.pools.items(project.id, rows)}
        return [
            GivenLabel(items[place.row], place.body, _reason(place), place.about)
            for place in places
            if place.row in items
        ]

    async def _ask(self, project: Project, judge: LabelJudge, task: Task, places: Sequence[_Place], told: _Told) -> str:
        """Ask about labels and keep what comes; return why not all were asked about, '' where they were."""
        labels = {(item := asked_about(one)).item_id: (one, item) for one in await self._labels(project, places)}
        try:
            async with aclosing(judge.annotate(task, [item for _, item in labels.values()])) as answers:
                async for item, answer in answers:
                    self._take(project, judge.name, labels[item.item_id][0], answer, told)
                    if len(told.unkept) >= _KEPT_TOGETHER:
                        await self._keep(told)
        except (BudgetExhausted, AnnotatorStopped) as reason:
            if not told.rulings:
                raise
            return reason.message
        finally:
            await self._keep(told)
        return ""

    def _take(self, project: Project, judge: str, label: GivenLabel, answer: Answer, told: _Told) -> None:
        """Take an answer in. A call that failed gave none, and the label still waits for a verdict."""
        ruling, reason = ruling_of(answer)
        if ruling is LabelRuling.NONE:
            told.problems[f"{answer.outcome.value}: {reason}"] += 1
        if answer.outcome is Outcome.FAILED:
            return
        told.rulings[ruling] += 1
        verdict = LabelVerdict(
            project=project.id,
            row=label.item.row,
            judge=judge,
            about=label.about,
            ruling=ruling,
            reason=reason,
            judged_at=self.clock.now(),
        )
        told.unkept.append(verdict)

    async def _keep(self, told: _Told) -> None:
        kept, told.unkept = told.unkept, []
        if kept:
            await self.store.write(lambda tx: tx.filters.add_verdicts(kept))


def _reason(place: _Place) -> str:
    """Return the newest reason that came with the label."""
    reasons = [one.answer.rationale for one in place.given if one.answer.body == place.body and one.answer.rationale]
    return reasons[-1] if reasons else ""


def _check(request: JudgingRequest) -> None:
    violations = [
        (f"limit.{dimension.value}", "must not be negative")
        for dimension in BudgetDimension
        if request.limit.amount(dimension) < 0
    ]
    if not 0 <= request.most <= MOST_A_CALL:
        violations.append(("most", f"from 0 to {MOST_A_CALL}, got {request.most}"))
    if violations:
        raise InvalidArgument(violations)
