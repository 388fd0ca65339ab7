"""Makes the LLMs that judge labels out of the operator's settings."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from nextlabel.server.annotators.llm.annotator import Lookups
from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.ports.quotes import RunQuote
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.runs.annotator_options import LlmOptions, OpenaiCompatibleOptions, PromptOptions
from nextlabel.server.wiring.annotators.llm_connections import LlmConnections, LlmStack, check_llm

JUDGING_LINE = "judging"
_COUNTED_REQUESTS = 20
_NOT_FOR_JUDGES = (
    "demonstration_selection",
    "preselected_labels",
    "candidates",
    "message_batches",
    "canary_share",
    "texts",
    "refine_rounds",
    "template",
)


@dataclass(frozen=True, slots=True)
class LlmJudge:
    """Implements the domain's `LabelJudge`."""

    stack: LlmStack

    @property
    def name(self) -> str:
        """See `LabelJudge.name`."""
        return self.stack.annotator.name

    def annotate(self, task: Task, items: Sequence[ItemToAnnotate]) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """See `Annotator.annotate`."""
        return self.stack.annotator.annotate(task, items)

    async def quote(self, task: Task, items: Sequence[ItemToAnnotate]) -> RunQuote:
        """See `LabelJudge.quote`."""
        found = await self.stack.quote(task, items, sample=_COUNTED_REQUESTS, seed=0, batch=False)
        how = "counted by the endpoint" if found.counted else "estimated from bytes, since the endpoint cannot count"
        said = [f"tokens of {found.items} labels, {how}"]
        if found.already_paid:
            said.append(f"{found.already_paid} further answers are kept and cost nothing")
        return RunQuote(found.low, found.expected, found.upper, said)

    async def close(self) -> None:
        """See `LabelJudge.close`."""
        await self.stack.annotator.close()


@dataclass(frozen=True, slots=True)
class LlmJudges:
    """Implements the domain's `LabelJudgeSource`: judging spends from the budget line ``judging``."""

    connections: LlmConnections

    def check(self, choice: LlmOptions) -> None:
        """See `LabelJudgeSource.check`."""
        path = f"annotator.{choice.kind}"
        given = [name for name in _NOT_FOR_JUDGES if getattr(choice.prompt, name) != getattr(PromptOptions(), name)]
        if given:
            raise InvalidArgument([(f"{path}.prompt.{name}", "says nothing to a judge of labels") for name in given])
        check_llm(choice, self.connections.settings, path)

    def open(self, choice: LlmOptions, ledger: Ledger) -> LlmJudge:
        """Return a judge that says why wherever it can: servers that give probabilities alone do not."""
        silent = isinstance(choice, OpenaiCompatibleOptions) and (choice.log_probabilities or choice.decisions)
        if not silent:
            choice = replace(choice, prompt=replace(choice.prompt, rationale=True))
        return LlmJudge(self.connections.connect(choice, ledger).stack(Lookups(), line=JUDGING_LINE))
