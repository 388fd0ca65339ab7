"""The LLM as critic of texts: it says what keeps an answer from what the guidelines ask, until it is content."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nextlabel.server.annotators.endpoints.wire import Failure, ModelRequest, Reply, Stop
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller, cost_of
from nextlabel.server.annotators.paid_calls.pricing import Price
from nextlabel.server.annotators.prompting.marking import NO_CODE, Fence
from nextlabel.server.tasks.json_schema import closed_object
from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.money.costs import Cost, Usage
from nextlabel.server.values.runs.annotator_options import Marking

CRITIQUE_TOKENS = 300
MOST_CRITIQUE_CHARACTERS = 2_000
USUAL_CRITIQUE = '{"critique": "It does not say what happens next, nor when: name the step.", "satisfied": false}'
_SYSTEM = (
    "You review answers before they are used. Say as critique, in at most three short sentences, what has to be "
    "changed for the answer to do all that the guidelines ask, without writing it anew. Where nothing has to be "
    "changed the critique is empty and you are satisfied."
)


@dataclass(frozen=True, slots=True)
class Criticism:
    """What a critic said of a text, and what that took. ``problem`` says why nothing came of it, '' where it did."""

    critique: str = ""
    satisfied: bool = False
    problem: str = ""
    usage: Usage = field(default_factory=Usage)
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCritic:
    """Asks one model about one text at a time; an equal question is paid once."""

    caller: MeteredCaller
    settings: ModelSettings
    price: Price
    new_code: Callable[[], str]
    marking: Marking = Marking.DELIMITERS

    @property
    def name(self) -> str:
        """The model that criticises."""
        return self.settings.model

    async def criticise(self, task: Task, item: ItemToAnnotate, text: str) -> Criticism:
        """Say what has to be changed in an answer to an item.

        Raises `BudgetExhausted` and `AnnotatorStopped`.
        """
        asked, question = (self.request(task, item, text, code) for code in (self.new_code(), NO_CODE))
        reply = await self.caller.ask_once(asked, question)
        if isinstance(reply, Failure):
            return Criticism(problem=f"the critic could not be asked: {reply}")
        return _read(reply, cost_of(self.price, reply.usage, None))

    def request(self, task: Task, item: ItemToAnnotate, text: str, code: str) -> ModelRequest:
        """The call that `criticise` makes, its data fenced by `code`."""
        fence = Fence(code, self.marking)
        shown = [fence.explain(), f"Asked:\n{fence.wrap(item.text)}"]
        if item.earlier is not None:
            shown.append(
                f"People said of an earlier answer, and it has to be heeded:\n{fence.wrap(item.earlier.critique)}"
            )
        shown += [f"Answer:\n{fence.wrap(text)}", "Review it."]
        return ModelRequest(
            model=self.settings.model,
            system=f"{_SYSTEM}\n\nGuidelines:\n{task.guidelines.text}",
            user="\n\n".join(shown),
            schema=closed_object({"critique": {"type": "string"}, "satisfied": {"type": "boolean"}}),
            max_output_tokens=(self.settings.thinking_tokens or 0) + CRITIQUE_TOKENS,
            effort=self.settings.effort,
        )


def rounds_left(rounds: int, items: Sequence[ItemToAnnotate]) -> int:
    """Return in how many of so many rounds a critic is asked: the first is that of people who criticised already."""
    return max(0, rounds - all(item.earlier is not None for item in items))


def _read(reply: Reply, cost: Cost) -> Criticism:
    """Read a reply; what is not of the form asked for is a problem, and never taken for content."""

    def without(problem: str) -> Criticism:
        return Criticism(problem=problem, usage=reply.usage, cost=cost)

    if reply.stop is not Stop.FINISHED:
        return without(f"the critic did not finish: {clean(reply.detail)[:200] or reply.stop.value}")
    try:
        said = json.loads(reply.text)
        critique, satisfied = said["critique"], said["satisfied"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return without("the critique is not of the form asked for")
    if not isinstance(critique, str) or not isinstance(satisfied, bool):
        return without("the critique is not of the form asked for")
    critique = clean(critique).strip()[:MOST_CRITIQUE_CHARACTERS]
    if not satisfied and not critique:
        return without("the critic is not content and does not say why")
    return Criticism(critique, satisfied, usage=reply.usage, cost=cost)
