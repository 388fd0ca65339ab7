"""Has an LLM criticise the guidelines from an annotator's mistakes, and measures its proposal before anyone accepts it.

Half of the gold items, chosen by their text, are never shown to a critic whose proposal is measured: on those its
effect is measured, so that neither this proposal nor later ones were made from what they are judged by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nextlabel.server.assessment.intervals import paired_difference
from nextlabel.server.domain.budgets.budgets import NOTHING
from nextlabel.server.domain.budgets.paid_calls import CallLedger, Ledgers
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.quality.disagreements import Compared, Disagreements
from nextlabel.server.ports.critics import Critic, CriticSource
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.critiques import Critique, Disagreement
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted, FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.pool import ReferenceItem
from nextlabel.server.values.projects.guidelines import Guidelines as Codebook
from nextlabel.server.values.projects.guidelines import GuidelinesEffect
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions

SHOWN = 30
MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class ProposalRequest:
    """What is asked of a critic.

    An empty ``model`` is the annotator's own; 0 disagreements are the default; a limit of 0 is none.
    """

    model: str = ""
    max_disagreements: int = 0
    measure: bool = False
    limit: Cost = NOTHING


@dataclass(frozen=True, slots=True)
class Proposal:
    """Amended guidelines, not stored yet. ``not_measured`` says why an effect that was asked for is missing."""

    base_version: int
    author: str
    critique: Critique
    effect: GuidelinesEffect | None
    cost: Cost
    disagreements: int
    not_measured: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidelineProposals:
    """Proposes versions of the guidelines; accepting one is the operator's decision."""

    store: StateStore
    pools: Pools
    embedding: Embedding
    projects: Projects
    ledgers: Ledgers
    disagreements: Disagreements
    critics: CriticSource

    async def propose(self, project: Project, request: ProposalRequest) -> Proposal:
        """Return a proposal from what the newest run's LLM got wrong under the guidelines in force.

        Raises:
            InvalidArgument: a field out of range, or a model without a price.
            FailedPrecondition: no LLM has annotated, it made no mistake that is known of, or the critic's answer is of
                no use.
            Unavailable: the critic cannot be reached.
            BudgetExhausted: the limit of the call or a budget of the project does not allow the critique.
        """
        _check(request)
        annotator = await self.store.read(lambda tx: _newest_llm(tx, project))
        model = request.model or annotator.model
        self.critics.check(annotator, model)
        await self.embedding.wait(project)
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        gold = await self.disagreements.gold(project)
        measuring = [r for r in gold.values() if r.text_hash % 2 == 0] if request.measure else []
        shown = await self._shown(project, annotator, task, measuring, request.max_disagreements or SHOWN)
        ledger = CallLedger(self.ledgers.of(project.id), request.limit)
        critic = await self.critics.open(project, annotator, model, ledger)
        try:
            critique = await critic.criticise(task, shown)
            effect, not_measured = None, ""
            if request.measure:
                effect, not_measured = await self._measure(project, critic, task, critique, measuring, ledger)
        finally:
            await critic.close()
        return Proposal(
            base_version=task.guidelines.version,
            author=critic.name,
            critique=critique,
            effect=effect,
            cost=ledger.spent,
            disagreements=len(shown),
            not_measured=not_measured,
        )

    async def _shown(
        self, project: Project, annotator: LlmOptions, task: Task, kept: Sequence[ReferenceItem], most: int
    ) -> Sequence[Disagreement]:
        compared = await self.disagreements.compared(project, annotator.annotator_name, task.guidelines.digest)
        kept_rows = {r.row for r in kept}
        mistakes = [c for c in compared if c.differs and c.annotation.row not in kept_rows]
        if not mistakes:
            raise _no_disagreement(annotator, task, compared)
        return await self.disagreements.shown(project, mistakes, most)

    async def _measure(
        self,
        project: Project,
        critic: Critic,
        task: Task,
        critique: Critique,
        gold: Sequence[ReferenceItem],
        ledger: CallLedger,
    ) -> tuple[GuidelinesEffect | None, str]:
        """Return the effect on gold, or why there is none: the critique is paid for and kept all the same."""
        items = await self.pools.to_annotate(project, [r.row for r in gold])
        if not items:
            return None, "the project has no gold items to measure on; add some with their labels"
        kind = task_type(task.annotation_type)
        truth = {r.item_id: body for r in gold if (body := kind.parsed(r.label)) is not None}
        amended = replace(task, guidelines=Codebook(critique.guidelines, task.guidelines.version + 1))
        spent = ledger.spent
        try:
            before = await critic.answers(task, items)
            after = await critic.answers(amended, items)
        except (BudgetExhausted, AnnotatorStopped) as reason:
            return None, f"the measurement was cut off: {reason.message}"

        def right(said: Mapping[str, Body]) -> list[bool]:
            given = [(said.get(item.item_id), truth[item.item_id]) for item in items]
            return [body is not None and kind.same(body, true, project) for body, true in given]

        return _effect(right(before), right(after), ledger.spent - spent), ""


def _check(request: ProposalRequest) -> None:
    violations = []
    if not 0 <= request.max_disagreements <= MOST_SHOWN:
        violations.append(("max_disagreements", f"from 0 to {MOST_SHOWN}, got {request.max_disagreements}"))
    violations += [
        (f"limit.{dimension.value}", "must not be negative")
        for dimension in BudgetDimension
        if request.limit.amount(dimension) < 0
    ]
    if violations:
        raise InvalidArgument(violations)


def _newest_llm(tx: Transaction, project: Project) -> LlmOptions:
    for run in reversed(tx.runs.list(project.id)):
        if isinstance(run.spec.annotator, LlmOptions):
            return run.spec.annotator
    raise FailedPrecondition(
        f"no LLM has annotated items of project {project.name}, so there are no mistakes to learn from; start a run "
        "with one first",
        reason="NO_LLM_ANNOTATOR",
    )


def _no_disagreement(annotator: LlmOptions, task: Task, compared: Sequence[Compared]) -> FailedPrecondition:
    version, name = task.guidelines.version, annotator.annotator_name
    kept = sum(c.differs for c in compared)
    if not compared:
        what = (
            "has answered no gold item, and none that a person answered; add gold items and start a run, or label "
            "some of its items by hand"
        )
    elif kept:
        what = f"errs on {kept} gold items only that are kept for measuring; add gold items, or do not measure"
    else:
        what = f"agrees with gold and people on all {len(compared)} items that can be compared"
    return FailedPrecondition(
        f"there is no disagreement to criticise: under version {version} of the guidelines {name} {what}",
        reason="NO_DISAGREEMENT",
    )


def _effect(was: Sequence[bool], is_now: Sequence[bool], cost: Cost) -> GuidelinesEffect:
    gained = sum(now and not then for then, now in zip(was, is_now, strict=True))
    lost = sum(then and not now for then, now in zip(was, is_now, strict=True))
    n = len(was)
    difference = paired_difference(gained, lost, n)
    return GuidelinesEffect(n, sum(was) / n, sum(is_now) / n, difference.low, difference.high, cost)
