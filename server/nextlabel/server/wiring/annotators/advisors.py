"""Makes the LLMs that strategies ask for advice out of the operator's settings."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nextlabel.server.annotators.llm.chooser import LlmChooser, opinions
from nextlabel.server.domain.budgets.paid_calls import Ledgers
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.values.advice import Opinions, ShortlistChoice
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions
from nextlabel.server.wiring.annotators.llm_connections import LlmConnection, LlmConnections, check_llm
from nextlabel.server.wiring.lookups import ProjectLookups


@dataclass(frozen=True, slots=True)
class LlmAdvisor:
    """Implements the domain's `Advisor`."""

    chooser: LlmChooser
    annotator: Annotator
    store: StateStore
    projects: Projects

    async def choose(
        self, project: Project, shortlist: Sequence[ItemToAnnotate], k: int, labeled: Mapping[str, int]
    ) -> ShortlistChoice:
        """Ask the LLM to choose; see `Advisor.choose`."""
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        return await self.chooser.choose(task, shortlist, k, labeled)

    async def opinions(self, project: Project, shortlist: Sequence[ItemToAnnotate]) -> Opinions:
        """Have the LLM label the items; see `Advisor.opinions`."""
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        return await opinions(self.annotator, task, shortlist)

    async def close(self) -> None:
        """Close the annotator, whose connections the chooser shares."""
        await self.annotator.close()


@dataclass(frozen=True, slots=True)
class LlmAdvisors:
    """Implements the domain's `AdvisorSource`."""

    store: StateStore
    projects: Projects
    ledgers: Ledgers
    lookups: ProjectLookups
    connections: LlmConnections

    def check(self, choice: LlmOptions) -> None:
        """See `AdvisorSource.check`."""
        check_llm(choice, self.connections.settings, "strategy.params")

    async def open(self, project: Project, choice: LlmOptions, line: str, run: str) -> LlmAdvisor:
        """Return an advisor; its annotator has no message batches, since a selection does not wait for a day."""
        ledger = self.ledgers.of(project.id, run)
        connection = self.connections.connect(choice, ledger, run)
        # Its own confidence, not the learner's, says how sure the model is.
        stack = connection.stack(await self.lookups.for_prompts(project), line=line)
        return LlmAdvisor(chooser_of(connection, line), stack.annotator, self.store, self.projects)


def chooser_of(connection: LlmConnection, line: str) -> LlmChooser:
    """Return who chooses items by a model, on a budget line."""
    return LlmChooser(
        caller=connection.caller(line),
        settings=connection.model,
        new_code=lambda: secrets.token_hex(8),
        redact=connection.options.prompt.redact,
    )
