"""Makes the critics of guidelines out of the operator's settings."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from nextlabel.server.annotators.llm.critic import GuidelineCritic
from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions
from nextlabel.server.wiring.annotators.llm_connections import LlmConnections, check_llm, price_of
from nextlabel.server.wiring.lookups import ProjectLookups

GUIDELINES_LINE = "guidelines"


@dataclass(frozen=True, slots=True)
class GuidelineCritics:
    """Implements the domain's `CriticSource`: critique and measurement spend from the budget line ``guidelines``."""

    lookups: ProjectLookups
    connections: LlmConnections

    def check(self, annotator: LlmOptions, model: str) -> None:
        """See `CriticSource.check`."""
        check_llm(annotator, self.connections.settings)
        price_of(model, self.connections.settings, "model")

    async def open(self, project: Project, annotator: LlmOptions, model: str, ledger: Ledger) -> GuidelineCritic:
        """Return a critic beside the annotator whose guidelines it criticises, at the same endpoint."""
        connection = self.connections.connect(annotator, ledger)
        stack = connection.stack(await self.lookups.for_prompts(project), line=GUIDELINES_LINE)
        critic = connection.to(model, price_of(model, self.connections.settings, "model"))
        return GuidelineCritic(
            caller=critic.caller(GUIDELINES_LINE),
            settings=critic.model,
            annotator=stack.annotator,
            new_code=lambda: secrets.token_hex(8),
            redact=connection.options.prompt.redact,
        )
