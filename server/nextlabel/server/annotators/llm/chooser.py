"""The LLM as acquisition function: it chooses from a shortlist, or says where it is unsure.

After ActiveLLM (Bayer and Reuter 2024, arXiv 2405.10808) and SelectLLM (Parkar et al. 2024, arXiv 2401.16553): a
diverse shortlist with short ids, the guidelines and what is labeled so far; the model picks and says why. Whatever
goes wrong costs a recorded reason, never the batch: the caller falls back to the shortlist's order.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing

from nextlabel.server.annotators.endpoints.wire import Failure, ModelRequest, Reply, Stop
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.prompting.marking import NO_CODE, Fence
from nextlabel.server.annotators.prompting.redaction import Redactor
from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.tasks.json_schema import closed_object
from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.advice import Opinions, ShortlistChoice
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task

_TOKENS_PER_CHOICE = 64
_MAX_ITEM_CHARACTERS = 2_000
_MAX_REASON_CHARACTERS = 200


class LlmChooser:
    """Chooses the items most worth a label next. With `redact`, personal data is replaced by placeholders."""

    def __init__(
        self, *, caller: MeteredCaller, settings: ModelSettings, new_code: Callable[[], str], redact: bool = False
    ) -> None:
        self._caller = caller
        self._settings = settings
        self._new_code = new_code
        self._redact = redact

    async def choose(
        self, task: Task, shortlist: Sequence[ItemToAnnotate], k: int, labeled: Mapping[str, int]
    ) -> ShortlistChoice:
        """Choose `k` of `shortlist`; `labeled` counts the labels of each class so far. Never raises for the model."""
        if not shortlist or k <= 0:
            return ShortlistChoice((), ())
        request = self.request(task, shortlist, k, labeled, self._new_code())
        question = self.request(task, shortlist, k, labeled, NO_CODE)
        try:
            reply = await self._caller.ask_once(request, question)
        except (BudgetExhausted, AnnotatorStopped) as reason:
            return ShortlistChoice((), (), failure=reason.message)
        if isinstance(reply, Failure):
            return ShortlistChoice((), (), failure=str(reply))
        return _read_choice(reply, len(shortlist), k)

    def request(
        self, task: Task, shortlist: Sequence[ItemToAnnotate], k: int, labeled: Mapping[str, int], code: str = NO_CODE
    ) -> ModelRequest:
        """The call that `choose` makes, its data fenced by `code`."""
        fence = Fence(code)
        ids = [f"c{number}" for number in range(1, len(shortlist) + 1)]
        so_far = "\n".join(f"- {name}: {labeled.get(name, 0)}" for name in task.label_names)
        items = "\n\n".join(
            f"Item {name}:\n{fence.wrap(self._shown(item))}" for name, item in zip(ids, shortlist, strict=True)
        )
        choice = closed_object({"id": {"type": "string", "enum": ids}, "reason": {"type": "string"}})
        return ModelRequest(
            model=self._settings.model,
            system=(
                "You choose texts to be labeled next, so that a small classifier learns most from them: texts that "
                "are unclear under the guidelines, unlike each other, and from classes that have few labels.\n\n"
                f"Guidelines:\n{task.guidelines.text}"
            ),
            user=(
                f"{fence.explain()}\n\nLabels so far:\n{so_far}\n\n{items}\n\n"
                f"Choose the {min(k, len(shortlist))} most useful items, best first, with a reason of a few words each."
            ),
            schema=closed_object({"chosen": {"type": "array", "items": choice}}),
            max_output_tokens=(self._settings.thinking_tokens or 0) + 64 + k * _TOKENS_PER_CHOICE,
            effort=self._settings.effort,
        )

    def _shown(self, item: ItemToAnnotate) -> str:
        text = Redactor().item(item).text if self._redact else item.text
        return text[:_MAX_ITEM_CHARACTERS]


def usual_choice(k: int) -> str:
    """An answer of the usual shape that chooses `k` items, for estimates of its length."""
    return json.dumps({"chosen": [{"id": f"c{n}", "reason": "unclear, unlike the others"} for n in range(10, k + 10)]})


def _read_choice(reply: Reply, size: int, k: int) -> ShortlistChoice:
    if reply.stop is not Stop.FINISHED:
        return ShortlistChoice((), (), failure=f"the model did not finish: {reply.detail}")
    try:
        entries = json.loads(reply.text)["chosen"]
        numbered = [(int(entry["id"].removeprefix("c")) - 1, str(entry["reason"])) for entry in entries]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ShortlistChoice((), (), failure="the model's choice is not of the form asked for")
    within = [(position, reason) for position, reason in numbered if 0 <= position < size]
    chosen = {position: clean(reason)[:_MAX_REASON_CHARACTERS] for position, reason in reversed(within)}
    positions = tuple(dict.fromkeys(position for position, _ in within))[:k]
    wanted = min(k, size)
    failure = "" if len(positions) == wanted else f"the model chose {len(positions)} of {wanted} items"
    return ShortlistChoice(positions, tuple(chosen[position] for position in positions), failure)


async def opinions(annotator: Annotator, task: Task, shortlist: Sequence[ItemToAnnotate]) -> Opinions:
    """What an annotator says of each item of a shortlist. What was answered before something stopped it is kept."""
    position = {item.item_id: number for number, item in enumerate(shortlist)}
    given: list[Answer | None] = [None] * len(shortlist)
    failure = ""
    try:
        async with aclosing(annotator.annotate(task, shortlist)) as answers:
            async for item, answer in answers:
                given[position[item.item_id]] = answer
                if answer.body is None:
                    failure = f"the model's answer was {answer.outcome.value}: {answer.detail}"
    except (BudgetExhausted, AnnotatorStopped) as reason:
        failure = reason.message
    return Opinions(given, failure)
