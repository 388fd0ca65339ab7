"""Fetches message batches that runs left open from the endpoint that they were sent to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nextlabel.server.annotators.llm.annotator import Lookups
from nextlabel.server.annotators.llm.message_batches import MessageBatchAnnotator
from nextlabel.server.domain.budgets.paid_calls import Ledgers
from nextlabel.server.system.halt import Halt
from nextlabel.server.values.money.paid_calls import MessageBatchIntent
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, PromptOptions
from nextlabel.server.values.runs.runs import Run
from nextlabel.server.wiring.annotators.llm_connections import LlmConnections


@dataclass(frozen=True, slots=True)
class BatchCollection:
    """Settles the message batches of runs that have ended, from the books of those runs."""

    connections: LlmConnections
    ledgers: Ledgers

    async def collect(self, project: Project, run: Run, intents: Sequence[MessageBatchIntent]) -> None:
        """Settle those of a run's message batches that have ended; nothing is asked.

        Raises:
            DomainError: the endpoint is no longer configured, or cannot be asked now.
        """
        choice = run.spec.annotator
        if not isinstance(choice, AnthropicOptions):
            return
        plain = replace(choice, prompt=PromptOptions(message_batches=True))
        connection = self.connections.connect(plain, self.ledgers.of(project.id, run.id))
        # Nothing is begun, and an endpoint that is out of reach is not waited for as long as by a run.
        halt = Halt()
        halt.call()
        connection = replace(connection, manners=replace(connection.manners, halt=halt))
        annotator = connection.stack(Lookups(), journal=self.ledgers.journal(project.id)).annotator
        try:
            if isinstance(annotator, MessageBatchAnnotator):
                await annotator.collect(intents)
        finally:
            await annotator.close()
