"""Runs the arms of the demo through the gRPC client: a project an arm, all over the same items and holdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from nextlabel.client import Client
from nextlabel.client.specs import run_spec
from nextlabel.server.demo.data_set import DemoData
from nextlabel.v1.learning_curve_pb2 import LearningCurvePoint
from nextlabel.v1.run_service_pb2 import AnnotatorSpec, RunEnded, RunSpec, StopReason

LABEL_SET = "clinc10"
GUIDELINES = """\
Choose the domain of what the user says to a voice assistant, by what the assistant would have to do to help.
"""
CODEBOOK = {
    "auto and commute": "the user's car, fuel, traffic, directions, getting to a place nearby",
    "banking": "accounts, transfers, bills to pay, a blocked or abused account",
    "credit cards": "a credit card, its limit, rewards, fees, and the credit score",
    "home": "shopping and to-do lists, reminders, orders, music, smart devices",
    "kitchen and dining": "cooking, food, recipes, restaurants and reservations",
    "meta": "the assistant's own settings, and yes, no, maybe, repeat",
    "small talk": "greetings, thanks, jokes, and questions about the assistant itself",
    "travel": "trips, flights, hotels, luggage, visas, plugs, time zones",
    "utility": "alarms, timers, dates, weather, calls, messages, sums, spelling, finding the phone",
    "work": "pay, taxes, insurance, days off, meetings, retirement",
}
"""What each class covers, for annotators that read."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the demo runs: every strategy with every seed, each under the same budget.

    With a `truth`, each is run a second time with that annotator, for comparison.
    """

    strategies: Sequence[str]
    seeds: Sequence[int]
    batch_size: int
    budget_labels: int
    budget_usd: float
    annotator: AnnotatorSpec
    truth: AnnotatorSpec | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """One strategy with one seed and one annotator, in its own project."""

    strategy: str
    seed: int
    annotator: AnnotatorSpec
    from_truth: bool = False

    @property
    def name(self) -> str:
        """What the arm is called in tables and plots; arms that differ in their seed only share it."""
        return f"{self.strategy}, true labels" if self.from_truth else self.strategy

    @property
    def project(self) -> str:
        """Name of the arm's project."""
        kind = "truth" if self.from_truth else "demo"
        return f"{kind}-{self.strategy.replace('_', '-')}-{self.seed}"


@dataclass(frozen=True, slots=True)
class ArmResult:
    """The learning curve of an arm and how many of the labels that it got are right.

    ``early`` says why the run ended before its budget was used up; '' where it did not.
    """

    arm: Arm
    curve: Sequence[LearningCurvePoint]
    early: str
    right: int
    labels: int


class ArmFailedError(RuntimeError):
    """A run ended with an error; the message is the server's."""


def arms_of(plan: Plan) -> list[Arm]:
    """Return all arms, seeds together so that the strategies' curves grow side by side."""
    own = [Arm(strategy, seed, plan.annotator) for seed in plan.seeds for strategy in plan.strategies]
    if plan.truth is None:
        return own
    return own + [Arm(arm.strategy, arm.seed, plan.truth, from_truth=True) for arm in own]


def upload(client: Client, arm: Arm, data: DemoData) -> None:
    """Create an arm's project, stream items and holdout into it, and wait until all are embedded."""
    client.projects.create(arm.project, labels=CODEBOOK, guidelines=GUIDELINES)
    client.pool.add(arm.project, data.holdout, split="holdout")
    client.pool.add(arm.project, [{"id": i["id"], "text": i["text"]} for i in data.pool])
    client.labeling.upload_replay_labels(arm.project, LABEL_SET, {i["id"]: i["label"] for i in data.pool})


def run_arms(
    client: Client, plan: Plan, data: DemoData, on_point: Callable[[Arm, LearningCurvePoint], None], parallel: int = 2
) -> Iterator[ArmResult]:
    """Run all arms, ``parallel`` at a time, and yield each as it ends; the projects have their items already.

    Raises:
        ArmFailedError: a run did not end by its budget.
    """
    with ThreadPoolExecutor(parallel) as threads:
        yield from threads.map(lambda arm: _run(client, plan, arm, data, on_point), arms_of(plan))


def _run(
    client: Client, plan: Plan, arm: Arm, data: DemoData, on_point: Callable[[Arm, LearningCurvePoint], None]
) -> ArmResult:
    run = client.runs.start(arm.project, _spec(plan, arm))
    ended = RunEnded()
    for event in client.runs.watch(arm.project, run.run_id):
        if event.HasField("curve_point_added"):
            on_point(arm, event.curve_point_added.point)
        elif event.HasField("run_ended"):
            ended = event.run_ended
    curve = client.reports.learning_curve(arm.project, run=run.run_id).points
    if not curve:
        raise ArmFailedError(f"{arm.project}: {ended.detail or 'the run ended without a model'}")
    truth = {item["id"]: item["label"] for item in data.pool}
    given = [a for a in client.labeling.annotations(arm.project, run=run.run_id) if a.answer.HasField("single_label")]
    right = sum(a.answer.single_label.label == truth[a.item_id] for a in given)
    early = "" if ended.stop_reason == StopReason.STOP_REASON_BUDGET else ended.detail
    return ArmResult(arm, curve, early, right, len(given))


def _spec(plan: Plan, arm: Arm) -> RunSpec:
    return run_spec(
        arm.annotator,
        strategy=arm.strategy,
        batch_size=plan.batch_size,
        budget_labels=plan.budget_labels,
        budget_usd=None if arm.from_truth else plan.budget_usd or None,
        seed=arm.seed,
    )
