"""A run as whoever waits for it sees it: how far it is, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nextlabel.client.cli.output.progress import progress_bar
from nextlabel.client.messages.amounts import usd
from nextlabel.client.messages.enums import enum_name
from nextlabel.server.auto.job import PROJECT

if TYPE_CHECKING:
    from nextlabel.client import Client


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a run ended: the reason in words, more about it or '', and whether it failed."""

    reason: str
    detail: str
    failed: bool


def follow(client: Client, run_id: str) -> Ended:
    """Show how a run gets on, where somebody can see it, until it has ended."""
    budget = client.budgets.get(PROJECT, "labels")
    goal = client.projects.get(PROJECT).counts.unlabeled
    if budget.HasField("limit"):
        goal = min(goal, budget.limit - budget.settled)
    asked = 0
    with progress_bar("labeling") as advance:
        for event in client.runs.watch(PROJECT, run_id):
            if event.HasField("annotation_progress"):
                progress = event.annotation_progress
                share = (asked + progress.done) / goal if goal else None
                advance(f"{asked + progress.done:,} of {goal:,}, {usd(progress.spent.micro_usd)}", share)
                if progress.done == progress.total:
                    asked += progress.total
    run = client.runs.get(PROJECT, run_id)
    return Ended(
        enum_name(run, "stop_reason").replace("_", " "), run.detail, failed=enum_name(run, "state") == "failed"
    )
