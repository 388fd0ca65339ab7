"""The LLM as acquisition function: it chooses from a shortlist, or says where it is unsure.

After ActiveLLM (Bayer and Reuter 2024, arXiv 2405.10808) and SelectLLM (Parkar et al. 2024, arXiv 2401.16553): a
diverse shortlist with short ids, the guidelines and what is labeled so far; the model picks and says why. Whatever
goes wrong costs a recorded reason, never the batch: the caller falls back to the shortlist's order.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from nextlabel.server.annotators.asking import ModelSettings
from nextlabel.server.annotators.marking import NO_CODE, Fence, clean
from nextlabel.server.annotators.metering import MeteredCaller
from nextlabel.server.annotators.ports import Annotator
from nextlabel.server.annotators.schemas import closed_object
from nextlabel.server.annotators.wire import Failure, ModelRequest, Reply, Stop
from nextlabel.server.domain.annotation import ItemToAnnotate, Label, Task
from nextlabel.server.domain.errors import AnnotatorStopped, BudgetExhausted

_TOKENS_PER_CHOICE = 64
_MAX_ITEM_CHARACTERS = 2_000
_MAX_REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the model chose: positions in the shortlist, best first, and a short reason for each.

    `failure` says why fewer than asked for, or none, were chosen; empty when all is well.
    """

    positions: tuple[int, ...]
    reasons: tuple[str, ...]
    failure: str = ""


class LlmChooser:
    """Chooses the items most worth a label next."""

    def __init__(self, *, caller: MeteredCaller, settings: ModelSettings, new_code: Callable[[], str]) -> None:
        self._caller = caller
        self._settings = settings
        self._new_code = new_code

    async def choose(
        self, task: Task, shortlist: Sequence[ItemToAnnotate], k: int, labeled: Mapping[str, int]
    ) -> Chosen:
        """Choose `k` of `shortlist`; `labeled` counts the labels of each class so far. Never raises for the model."""
        if not shortlist or k <= 0:
            return Chosen((), ())
        request = self._request(task, shortlist, k, labeled, Fence(self._new_code()))
        question = self._request(task, shortlist, k, labeled, Fence(NO_CODE))
        try:
            reply = await self._caller.ask_once(request, [question.system, question.user])
        except (BudgetExhausted, AnnotatorStopped) as reason:
            return Chosen((), (), failure=reason.message)
        if isinstance(reply, Failure):
            return Chosen((), (), failure=str(reply))
        return _read_choice(reply, len(shortlist), k)

    def _request(
        self, task: Task, shortlist: Sequence[ItemToAnnotate], k: int, labeled: Mapping[str, int], fence: Fence
    ) -> ModelRequest:
        ids = [f"c{number}" for number in range(1, len(shortlist) + 1)]
        so_far = "\n".join(f"- {name}: {labeled.get(name, 0)}" for name in task.label_names)
        items = "\n\n".join(
            f"Item {name}:\n{fence.wrap(item.text[:_MAX_ITEM_CHARACTERS])}"
            for name, item in zip(ids, shortlist, strict=True)
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


def _read_choice(reply: Reply, size: int, k: int) -> Chosen:
    if reply.stop is not Stop.FINISHED:
        return Chosen((), (), failure=f"the model did not finish: {reply.detail}")
    try:
        entries = json.loads(reply.text)["chosen"]
        numbered = [(int(entry["id"].removeprefix("c")) - 1, str(entry["reason"])) for entry in entries]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Chosen((), (), failure="the model's choice is not of the form asked for")
    within = [(position, reason) for position, reason in numbered if 0 <= position < size]
    chosen = {position: clean(reason)[:_MAX_REASON_CHARACTERS] for position, reason in reversed(within)}
    positions = tuple(dict.fromkeys(position for position, _ in within))[:k]
    wanted = min(k, size)
    failure = "" if len(positions) == wanted else f"the model chose {len(positions)} of {wanted} items"
    return Chosen(positions, tuple(chosen[position] for position in positions), failure)


async def llm_uncertainty(
    annotator: Annotator, task: Task, shortlist: Sequence[ItemToAnnotate]
) -> tuple[list[float | None], list[str | None]]:
    """Ask an annotator about a shortlist, on its own budget line.

    Returns for each item 1 - confidence (in [0, 1], higher = ask a person; None without an answer or confidence)
    and the label it gave, which learner-annotator disagreement is computed from. What was answered before a
    budget or endpoint stopped it is kept.
    """
    position = {item.item_id: number for number, item in enumerate(shortlist)}
    scores: list[float | None] = [None] * len(shortlist)
    labels: list[str | None] = [None] * len(shortlist)
    try:
        async with aclosing(annotator.annotate(task, shortlist)) as answers:
            async for item, answer in answers:
                number = position[item.item_id]
                scores[number] = None if answer.confidence is None else 1.0 - answer.confidence
                labels[number] = answer.body.name if isinstance(answer.body, Label) else None
    except (BudgetExhausted, AnnotatorStopped):
        return scores, labels
    return scores, labels
