"""Makes the LLMs that write texts out of the operator's settings."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from nextlabel.server.annotators.llm.writer import LlmWriter
from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions
from nextlabel.server.wiring.annotators.llm_connections import LlmConnections, check_llm

SYNTHESIS_LINE = "synthesis"


@dataclass(frozen=True, slots=True)
class LlmWriters:
    """Implements the domain's `WriterSource`: writing spends from the budget line ``synthesis``."""

    connections: LlmConnections

    def check(self, choice: LlmOptions) -> None:
        """See `WriterSource.check`."""
        check_llm(choice, self.connections.settings, f"annotator.{choice.kind}")

    def open(self, project: Project, choice: LlmOptions, ledger: Ledger) -> LlmWriter:
        """See `WriterSource.open`."""
        connection = self.connections.connect(choice, ledger)
        return LlmWriter(
            endpoint=connection.endpoint,
            caller=connection.caller(SYNTHESIS_LINE),
            settings=connection.model,
            new_code=lambda: secrets.token_hex(8),
            redact=choice.prompt.redact,
        )
