"""Message batches that ended and paused runs left open: what they answer is paid for, so it is fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.errors import DomainError
from nextlabel.server.values.money.paid_calls import MessageBatchIntent
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions
from nextlabel.server.values.runs.runs import UNDER_WAY, Run

_log = structlog.get_logger(__name__)

Collect = Callable[[Project, Run, Sequence[MessageBatchIntent]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class LeftBatches:
    """A background task that has message batches settled whose run has ended or is paused.

    ``collect`` settles those that the endpoint has ended, and leaves the others as they are.
    """

    store: StateStore
    collect: Collect

    async def run(self, on_error: Callable[[BaseException], None], every_s: float = 30.0) -> None:
        """Look for them until cancelled."""
        while True:
            try:
                await self.collect_all()
            except Exception as error:  # noqa: BLE001  (it is tried again, whatever went wrong)
                on_error(error)
            await asyncio.sleep(every_s)

    async def collect_all(self) -> None:
        """Settle what can be settled now."""
        for project, run, intents in await self.store.read(_left):
            async with self.store.exclusive(f"message-batches/{project.id}") as mine:
                if not mine:
                    continue
                try:
                    await self.collect(project, run, intents)
                except DomainError as error:
                    _log.warning("message_batches_left", project=project.id, run=run.id, reason=error.message)


def _left(tx: Transaction) -> list[tuple[Project, Run, Sequence[MessageBatchIntent]]]:
    found: list[tuple[Project, Run, Sequence[MessageBatchIntent]]] = []
    for project in tx.projects.every():
        intents = tx.budgets.intents(project.id)
        runs = tx.runs.list(project.id) if intents else ()
        # A run that is under way finishes what others have left at its endpoint before it asks anything.
        taken_care_of = {_asked_at(run) for run in runs if run.state in UNDER_WAY and _in_batches(run)}
        maker = {r.key: r.run for r in tx.budgets.open_reservations(project.id)} if intents else {}
        for run in runs:
            if _asked_at(run) in taken_care_of:
                continue
            made = [intent for intent in intents if any(maker.get(key) == run.id for key in intent.worst)]
            if made:
                found.append((project, run, made))
    return found


def _asked_at(run: Run) -> str | None:
    """The URL that a run's LLM was given, '' for the server's own; None where no LLM annotates."""
    return run.spec.annotator.base_url if isinstance(run.spec.annotator, LlmOptions) else None


def _in_batches(run: Run) -> bool:
    return isinstance(run.spec.annotator, LlmOptions) and run.spec.annotator.prompt.message_batches
