"""Runs as records: starting, pausing, stopping and reading them. The engine beside does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.budgets.reconciliation import abandon_run
from nextlabel.server.domain.learning.types.task_learners import learns
from nextlabel.server.domain.quality.canary_runs import check_canaries
from nextlabel.server.domain.reports.routing import check_routable
from nextlabel.server.domain.runs.advising_rules import advice_violations, check_advises_alone
from nextlabel.server.domain.runs.collecting import check_collecting
from nextlabel.server.domain.runs.rewriting_rules import check_rewriting
from nextlabel.server.domain.runs.route_rules import route_violations
from nextlabel.server.domain.runs.scopes import LISTED, check_scope, listed_rows, scope_violations
from nextlabel.server.domain.runs.worth_rules import worth_violations
from nextlabel.server.domain.selection.llm_strategies import llm_strategy
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.money.budgets import Window
from nextlabel.server.values.money.costs import BudgetDimension
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.annotator_options import (
    AnnotatorChoice,
    LlmOptions,
    ReplayOptions,
    RouteOptions,
    members_of,
    texts_an_item,
)
from nextlabel.server.values.runs.events import Happening, RunEnded, RunEvent, RunPaused, RunResumed
from nextlabel.server.values.runs.runs import GoldReplay, Run, RunSpec, RunState, StopReason

MOST_BETWEEN = 1_000_000
MOST_HOURS = 8_760
"""Most answers between two times that gold is asked."""
MOST_REPLAYED = 1_000
"""Most gold items that are asked again at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Units of work on runs.

    ``check_annotator``, ``check_strategy`` and ``check_advisor`` raise InvalidArgument for kinds, names and options
    that do not exist. An advisor is the LLM that a strategy asks.
    """

    clock: Clock
    new_id: Callable[[], str]
    limits: Limits
    budgets: Budgets
    check_annotator: Callable[[AnnotatorChoice], None]
    check_strategy: Callable[[Component], object]
    check_advisor: Callable[[LlmOptions], None]

    def start(self, tx: Transaction, project: Project, spec: RunSpec, listed: Mapping[str, int] | None = None) -> Run:
        """Record a run with its budget; the engine takes it up.

        ``listed`` are the rows, by id, of the items that its scope lists, -1 for unknown ones.

        Raises:
            InvalidArgument: a field is out of range or unknown.
            NotFound: there are no labels to replay under the name that is given, or no such item as is listed.
            FailedPrecondition: canaries are asked for and there is no gold to make them of, its scope asks for what a
                learner says and there is no model, it is to follow routes and answers are no single labels, or another
                run has its annotator advise.
        """
        self.check(project, spec)
        check_scope(tx, project, spec)
        check_advises_alone(tx, project, spec)
        for asked in members_of(spec.annotator):
            if isinstance(asked, ReplayOptions):
                _check_replay_set(tx, project, asked.label_set)
            check_canaries(tx, project, asked)
        run = Run(
            id=self.new_id(),
            project=project.id,
            spec=spec,
            state=RunState.RUNNING,
            stop_reason=StopReason.NONE,
            message="",
            round=0,
            created_at=self.clock.now(),
            ended_at=None,
        )
        tx.runs.add(run)
        if listed:
            tx.runs.put_rows(run.id, LISTED, listed_rows(project, listed))
        for dimension in BudgetDimension:
            bound = spec.limit.amount(dimension)
            if bound:
                self.budgets.set_limit(tx, project.id, run.id, Window.TOTAL, dimension, bound)
        return run

    def check(self, project: Project, spec: RunSpec) -> None:
        """Check what a run is to do, as far as that can be told without what is stored; raises what `start` does."""
        self._check(spec)
        check_rewriting(project, spec)
        if not learns(project):
            check_collecting(project, spec)
        elif spec.target_macro_f1 and not task_type(project.annotation_type).needs_classes:
            raise InvalidArgument.field(
                "spec.targets.macro_f1",
                f"{project.annotation_type.shown} annotations have no classes; set a target of accuracy",
            )
        if isinstance(spec.annotator, RouteOptions):
            check_routable(project)
        for asked in members_of(spec.annotator):
            _check_preselection(project, asked)
            _check_texts(project, asked)

    def get(self, tx: Transaction, project: Project, run_id: str) -> Run:
        """Return a run of a project, or raise NotFound."""
        run = tx.runs.get(run_id)
        if run is None or run.project != project.id:
            raise NotFound("run", run_id)
        return run

    def list(self, tx: Transaction, project: Project) -> Sequence[Run]:
        """Return a project's runs, oldest first."""
        return tx.runs.list(project.id)

    def stop(self, tx: Transaction, project: Project, run_id: str) -> Run:
        """Ask a run to stop after what is under way; a run that has ended stays as it is."""
        run = self.get(tx, project, run_id)
        if run.state not in (RunState.RUNNING, RunState.PAUSED):
            return run
        stopping = replace(run, state=RunState.STOPPING)
        tx.runs.update(stopping)
        return stopping

    def pause(self, tx: Transaction, project: Project, run_id: str) -> Run:
        """Have a run ask nothing more until it is resumed; one that is paused stays as it is.

        It keeps its query batch, so that nobody else is asked about the same items. Its driver keeps the answers under
        way and gives the labels back that it had reserved; people keep their leases.

        Raises:
            NotFound: the project has no such run.
            FailedPrecondition: the run has ended or is being stopped.
        """
        return self._turn(tx, project, run_id, RunState.PAUSED, RunPaused())

    def resume(self, tx: Transaction, project: Project, run_id: str) -> Run:
        """Have a paused run go on with its query batch; one that is running stays as it is.

        Raises:
            NotFound: the project has no such run.
            FailedPrecondition: the run has ended or is being stopped.
        """
        return self._turn(tx, project, run_id, RunState.RUNNING, RunResumed())

    def end(self, tx: Transaction, run_id: str, reason: StopReason, message: str) -> Run:
        """Record how a run ended, and close what it has left open in the books; the first ending stays.

        A paused run stays paused, whatever its driver met last: it will be met again when the run is resumed. One that
        was resumed while its driver was letting go goes on.
        """
        run = tx.runs.get(run_id)
        if run is None:
            raise NotFound("run", run_id)
        resumed = run.state is RunState.RUNNING and reason is StopReason.STOPPED
        if run.state.ended or run.state is RunState.PAUSED or resumed:
            return run
        failed = reason in (StopReason.ERROR, StopReason.PROVIDER_SPEND_LIMIT, StopReason.ANNOTATOR_UNRELIABLE)
        ended = replace(
            run,
            state=RunState.FAILED if failed else RunState.FINISHED,
            stop_reason=reason,
            message=message,
            ended_at=self.clock.now(),
        )
        tx.runs.update(ended)
        abandon_run(tx, self.budgets, run.project, run.id)
        self.note(tx, ended, RunEnded(ended.state, reason, message))
        return ended

    def begin_round(self, tx: Transaction, run: Run) -> Run:
        """Count a round."""
        begun = replace(tx.runs.get(run.id) or run, round=run.round + 1)
        tx.runs.update(begun)
        return begun

    def note(self, tx: Transaction, run: Run, happening: Happening) -> RunEvent:
        """Append an event for those who watch."""
        return tx.runs.add_event(RunEvent(run.id, 0, run.round, happening, self.clock.now()))

    def _turn(self, tx: Transaction, project: Project, run_id: str, state: RunState, happening: Happening) -> Run:
        run = self.get(tx, project, run_id)
        if run.state is state:
            return run
        if run.state not in (RunState.RUNNING, RunState.PAUSED):
            raise FailedPrecondition(_too_late(run), reason="RUN_ENDED")
        turned = replace(run, state=state)
        tx.runs.update(turned)
        self.note(tx, turned, happening)
        return turned

    def _check(self, spec: RunSpec) -> None:
        violations = [
            (f"spec.{path}", message)
            for path, wrong, message in (
                (
                    "batch_size",
                    not 1 <= spec.batch_size <= self.limits.query_batch,
                    f"from 1 to {self.limits.query_batch}, got {spec.batch_size}",
                ),
                ("audit_share", not 0 <= spec.audit_share <= 1, f"from 0 to 1, got {spec.audit_share:g}"),
                ("targets.accuracy", not 0 <= spec.target_accuracy <= 1, "from 0 to 1"),
                ("targets.macro_f1", not 0 <= spec.target_macro_f1 <= 1, "from 0 to 1"),
                ("targets.plateau_rounds", spec.plateau.rounds < 0, "must not be negative"),
                ("targets.plateau_gain", not 0 <= spec.plateau.min_gain <= 1, "from 0 to 1"),
                ("targets.stable_kappa", not 0 <= spec.stable_kappa <= 1, "from 0 to 1"),
                *worth_violations(spec),
                ("max_rounds", spec.max_rounds < 0, "must not be negative"),
                *((f"limits.{d.value}", spec.limit.amount(d) < 0, "must not be negative") for d in BudgetDimension),
                *advice_violations(spec),
                (
                    "gold_replay.every",
                    not 0 <= spec.gold_replay.every <= MOST_BETWEEN,
                    f"from 0 to {MOST_BETWEEN:,}, got {spec.gold_replay.every}",
                ),
                (
                    "gold_replay.items",
                    not 0 <= spec.gold_replay.items <= MOST_REPLAYED,
                    f"from 0 to {MOST_REPLAYED:,}, got {spec.gold_replay.items}",
                ),
                (
                    "gold_replay.hours",
                    not 0 <= spec.gold_replay.hours <= MOST_HOURS,
                    f"from 0 to {MOST_HOURS:,}, got {spec.gold_replay.hours:g}",
                ),
                (
                    "gold_replay.only",
                    spec.gold_replay.only and spec.gold_replay.scheduled,
                    "such a run ends before anything is due again: leave out every and hours",
                ),
                (
                    "gold_replay",
                    spec.gold_replay != GoldReplay() and (spec.advice or not isinstance(spec.annotator, LlmOptions)),
                    "only LLMs that label items are asked about gold again: leave it out",
                ),
                *((path, True, message) for path, message in (*scope_violations(spec), *route_violations(spec))),
            )
            if wrong
        ]
        if violations:
            raise InvalidArgument(violations)
        self.check_strategy(spec.strategy)
        self.check_annotator(spec.annotator)
        if not isinstance(spec.annotator, RouteOptions) and (llm := llm_strategy(spec.strategy)) is not None:
            self.check_advisor(llm.asked(spec.annotator))


def _too_late(run: Run) -> str:
    now = f"has ended ({run.stop_reason or run.state})" if run.state.ended else "is being stopped"
    return f"run {run.id} {now}, and can be neither paused nor resumed; start another one to go on"


def _check_preselection(project: Project, choice: AnnotatorChoice) -> None:
    if isinstance(choice, LlmOptions) and choice.prompt.preselected_labels and not project.embedding_model:
        raise InvalidArgument.field(
            f"spec.annotator.{choice.kind}.prompt.preselected_labels",
            f"classes are preselected by their embeddings, and project {project.name} has no embedding model: leave "
            "it 0 to show all classes",
        )


def _check_texts(project: Project, choice: AnnotatorChoice) -> None:
    if not isinstance(choice, LlmOptions):
        return
    path, prompt = f"spec.annotator.{choice.kind}.prompt", choice.prompt
    several = texts_an_item(choice) > 1
    if not task_type(project.annotation_type).writes_text:
        of_texts = f"for projects of texts, and {project.name} asks for {project.annotation_type.shown} annotations"
        if several:
            raise InvalidArgument.field(
                f"{path}.texts", f"candidate texts are {of_texts}: ask for variants or candidates instead"
            )
        if prompt.refine_rounds:
            raise InvalidArgument.field(f"{path}.refine_rounds", f"refinement is {of_texts}: leave it 0")
    elif several and prompt.variants > 1:
        raise InvalidArgument.field(
            f"{path}.variants",
            "written texts are hardly ever equal, so that no variants agree: leave it 0, and have the texts judged",
        )


def _check_replay_set(tx: Transaction, project: Project, label_set: str) -> None:
    present = tx.pool.replay_sets(project.id)
    if label_set not in present:
        those = ", ".join(map(repr, present)) or "none yet: upload one first"
        raise NotFound(
            "replay label set",
            label_set,
            message=f"project {project.name} has no replay labels named {label_set!r}; it has {those}",
        )
