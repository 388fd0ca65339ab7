"""The live view of a run."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nextlabel.client.cli.output.forms import Output, emit_now, emit_one
from nextlabel.client.cli.output.terminal import printable
from nextlabel.client.cli.problems import BUDGET_EXHAUSTED, FAILED, say
from nextlabel.client.messages.amounts import percent, usd
from nextlabel.client.messages.measures import beside_accuracy

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.v1.run_service_pb2 import RunEvent

# The other reasons, a budget that is used up among them, are what a run is started for.
_EXIT_CODES = {
    "error": FAILED,
    "annotator_unreliable": FAILED,
    "items_left": FAILED,
    "promise_broken": FAILED,
    "provider_spend_limit": BUDGET_EXHAUSTED,
}
_NO_LABEL = frozenset({"refused", "truncated", "invalid", "failed"})
ENDINGS = {
    "budget": "a budget is used up",
    "target": "a target is reached",
    "plateau": "the learning curve has flattened",
    "stable": "successive models hardly differ",
    "not_worth": "more labels are not worth what they cost",
    "pool_empty": "nothing is left to label",
    "items_left": "items are left without a useful answer",
    "max_rounds": "all its rounds are done",
    "carried_out": "its plan is carried out",
    "promise_broken": "its plan does not hold any more",
    "stopped": "it was stopped",
    "provider_spend_limit": "the LLM's provider refuses more spending",
    "annotator_unreliable": "the annotator cannot be relied on",
    "error": "the run could not go on",
}
"""Why a run ended, in words, by the short name of the reason."""


@dataclass(slots=True)
class Round:
    """What is known of one round."""

    labels: int | None = None
    micro_usd: int = 0
    accuracy: float | None = None
    beside: str = "–"
    stage: str = ""
    other_models: Mapping[str, int] = field(default_factory=dict)
    unlabeled: Mapping[str, int] = field(default_factory=dict)
    told: bool = False

    def cells(self, number: int) -> list[str]:
        """The row of a table."""
        return [
            str(number),
            "–" if self.labels is None else f"{self.labels:,}",
            usd(self.micro_usd),
            "–" if self.accuracy is None else percent(self.accuracy),
            self.beside,
            self.stage,
        ]


@dataclass(slots=True)
class RunView:
    """The rounds of a run, from its events."""

    rounds: dict[int, Round] = field(default_factory=dict)
    beside: str = "macro-F1"
    ending: str = ""
    stop_reason: str = ""
    canaries: str = ""

    def take(self, event: "RunEvent") -> None:
        """Take an event in."""
        from nextlabel.client.messages.enums import enum_name

        current = self.rounds.setdefault(event.round, Round()) if event.round else Round()
        match event.WhichOneof("event"):
            case ("target_stated" | "route_planned" | "route_step_started" | "gold_replayed") as stated:
                say(_stated(event, stated))
            case "round_started":
                current.stage = "selecting"
            case "batch_selected":
                current.stage = event.batch_selected.fallback_reason or "annotating"
            case "annotation_progress":
                progress = event.annotation_progress
                current.micro_usd = progress.spent.micro_usd
                current.other_models = {one.model: one.answers for one in progress.other_models}
                current.unlabeled = {
                    outcome: one.count
                    for one in progress.outcomes
                    if (outcome := enum_name(one, "outcome")) in _NO_LABEL
                }
                current.stage = f"annotating {progress.done} of {progress.total}"
            case "model_trained":
                current.labels = event.model_trained.model_version.labels
                current.stage = ""
            case "curve_point_added":
                point = event.curve_point_added.point
                current.labels, current.micro_usd = point.labels, point.micro_usd
                current.accuracy = point.accuracy
                self.beside, current.beside = beside_accuracy(point.macro_f1, point.measures)
            case "canaries_checked":
                counts = event.canaries_checked.counts
                self.canaries = f"canaries: {counts.obeyed} of {counts.asked} obeyed, {usd(counts.cost.micro_usd)}"
            case ("run_paused" | "run_resumed") as happened:
                paused = happened == "run_paused"
                current.stage = "paused" if paused else "goes on"
                say("the run is paused until it is resumed" if paused else "the run goes on")
            case "run_ended":
                ended = event.run_ended
                current.stage = ""
                self.stop_reason = enum_name(ended, "stop_reason")
                detail = f" ({ended.detail})" if ended.detail else ""
                why = ENDINGS.get(self.stop_reason, self.stop_reason)
                self.ending = f"{enum_name(ended, 'state')}: {why}{detail}"

    @property
    def headers(self) -> Sequence[str]:
        """The names of the cells of a round."""
        return ("ROUND", "LABELS", "COST", "ACCURACY", self.beside.upper(), "")

    @property
    def other_models(self) -> str:
        """Which other models than the one asked gave how many answers, "" for none."""
        counts = sum((Counter(current.other_models) for current in self.rounds.values()), start=Counter[str]())
        named = ", ".join(f"{model} ({answers:,})" for model, answers in counts.most_common())
        return named and f"answers of another model than the one asked: {named}"

    @property
    def unlabeled(self) -> Mapping[str, int]:
        """How many answers were no label, by what they were instead, the most frequent first."""
        counts = sum((Counter(current.unlabeled) for current in self.rounds.values()), start=Counter[str]())
        return dict(counts.most_common())

    def table(self, last: int = 20) -> Table:
        """The last rounds."""
        table = Table(*self.headers, box=None, pad_edge=False)
        for number, current in sorted(self.rounds.items())[-last:]:
            table.add_row(*(Text(printable(cell)) for cell in current.cells(number)))
        return table


def _stated(event: "RunEvent", what: str) -> str:
    """What a run says of a target or of its plan."""
    if what == "target_stated":
        return event.target_stated.detail
    if what == "gold_replayed":
        return f"{'ALARM: ' if event.gold_replayed.fallen else ''}{event.gold_replayed.detail}"
    if what == "route_step_started":
        step = event.route_step_started
        detail = f" ({step.detail})" if step.detail else ""
        return f"asking {step.asked} about {step.items:,} items{detail}"
    plan = event.route_planned
    ways = [f"{', then '.join(way.asked) or 'nobody'} {way.items:,}" for way in plan.routes]
    right = f"{percent(plan.accuracy)} right ({percent(plan.low)} to {percent(plan.high)})"
    return f"plan: {right} for {usd(plan.micro_usd)}; items by whom they are asked: {'; '.join(ways)}"


def _embedded_first(client: "Client", project: str, run_id: str) -> str:
    """What a run waits for that has not begun; "" for one that has."""
    waiting = client.pool.status(project).counts.awaiting_embedding
    if not waiting or client.runs.get(project, run_id).rounds:
        return ""
    return f"the run begins when {waiting:,} items are embedded; to see how many are: nextlabel pool status {project}"


def watch_run(client: "Client", project: str, run_id: str, output: Output) -> int:
    """Show the rounds of a run on stderr until it ends, then the run on stdout; returns the exit code.

    As JSON Lines, stdout gets the events as they come instead, of which the last one says how the run ended.
    """
    from nextlabel.client.messages.plain import plain

    view = RunView()
    console = Console(stderr=True)
    if told := _embedded_first(client, project, run_id):
        say(told)
    try:
        if output is Output.JSONL:
            _follow(client, project, run_id, view, lambda event: emit_now(_told(event)))
        elif console.is_terminal:
            with Live(view.table(), console=console, auto_refresh=False) as live:
                _follow(client, project, run_id, view, lambda _: live.update(view.table(), refresh=True))
        else:
            _follow(client, project, run_id, view, lambda event: _print_rounds(view, event))
    except KeyboardInterrupt:
        say(f"the run goes on; stop it with: nextlabel run stop {project} {run_id}")
        sys.exit(130)
    for told in (view.canaries, view.other_models, _reasons(client, project, run_id, view.unlabeled)):
        if told:
            say(told)
    say(view.ending)
    if output is Output.JSONL:
        return _EXIT_CODES.get(view.stop_reason, 0)
    run = plain(client.runs.get(project, run_id))
    spent = run["spent"] or {}
    shown = {"run": run_id, "state": run["state"], "rounds": run["rounds"], "labels": spent.get("labels", 0)}
    shown |= {"tokens": spent.get("tokens", 0), "cost": usd(spent.get("micro_usd", 0))}
    emit_one(run, output, shown=shown)
    return _EXIT_CODES.get(view.stop_reason, 0)


def _follow(client: "Client", project: str, run_id: str, view: RunView, show: Callable[["RunEvent"], None]) -> None:
    for event in client.runs.watch(project, run_id):
        view.take(event)
        show(event)


def _reasons(client: "Client", project: str, run_id: str, unlabeled: Mapping[Any, int]) -> str:
    """What came instead of labels, each with the reason of one such answer; "" where all were labels."""
    named = []
    for outcome, count in unlabeled.items():
        found = client.labeling.annotations(project, run=run_id, outcome=outcome, page_size=1)
        detail = next((one.detail for one in found), "")
        named.append(f"{count:,} {outcome}{f' (one of them: {detail})' if detail else ''}")
    return f"answers without a label: {'; '.join(named)}" if named else ""


def _told(event: "RunEvent") -> dict[str, Any]:
    """The number, time and round of an event, and what happened under its name."""
    from nextlabel.client.messages.plain import plain

    return {name: value for name, value in plain(event).items() if value is not None}


def _print_rounds(view: RunView, event: "RunEvent") -> None:
    """Print the rounds that are over. Without a holdout there is no point, and only what comes next says so."""
    last = event.WhichOneof("event") in ("curve_point_added", "run_ended")
    for number, current in view.rounds.items():
        if current.told or current.labels is None or not (last or number < event.round):
            continue
        current.told = True
        cells = current.cells(number)
        say("  ".join(f"{header.lower()} {cell}" for header, cell in zip(view.headers, cells, strict=True) if header))
