"""Feedback: where an annotator disagrees with gold or people, the guidelines may be at fault.

The model sees disagreements and proposes amended guidelines; the proposal is measured on other gold items before an
operator decides. Gold items that a proposal was made from never measure it.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from nextlabel.server.annotators.asking import ModelSettings
from nextlabel.server.annotators.canonical import digest
from nextlabel.server.annotators.marking import NO_CODE, Fence, clean
from nextlabel.server.annotators.metering import MeteredCaller
from nextlabel.server.annotators.ports import Annotator
from nextlabel.server.annotators.schemas import closed_object
from nextlabel.server.annotators.wire import Failure, ModelRequest, Stop
from nextlabel.server.domain.annotation import Body, Guidelines, ItemToAnnotate, Label, Task
from nextlabel.server.domain.errors import Unavailable

_MAX_GUIDELINES_CHARACTERS = 50_000
_MAX_SHOWN = 30
_EXTRA_TOKENS = 1_500


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item that an annotator labeled otherwise than gold or a person; `rationale` is the annotator's."""

    item: ItemToAnnotate
    given: Body
    trusted: Body
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """How an annotator did on gold items: how many, and how many right."""

    items: int
    right: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """Amended guidelines with the critique that led to them, and the effect on gold that neither has seen."""

    guidelines: Guidelines
    critique: str
    before: Measured
    after: Measured


class GuidelineCritic:
    """Proposes guideline versions; accepting one is the operator's decision."""

    def __init__(
        self,
        *,
        caller: MeteredCaller,
        settings: ModelSettings,
        annotator: Annotator,
        new_code: Callable[[], str],
    ) -> None:
        self._caller = caller
        self._settings = settings
        self._annotator = annotator
        self._new_code = new_code

    async def propose(
        self, task: Task, disagreements: Sequence[Disagreement], gold: Sequence[tuple[ItemToAnnotate, Body]]
    ) -> Proposal:
        """Critique the guidelines of `task` and measure the amended ones.

        Only gold items that are no disagreement shown to the model are measured on, before and after.
        Raises `Unavailable` when the model gives no usable proposal.
        """
        shown = sorted(disagreements, key=lambda one: digest(one.item.item_id))[:_MAX_SHOWN]
        critique, text = await self._ask(task, shown)
        amended = Guidelines(text, task.guidelines.version + 1)
        seen = {one.item.item_id for one in shown}
        unseen = [(item, body) for item, body in gold if item.item_id not in seen]
        before = await self._measure(task, unseen)
        after = await self._measure(replace(task, guidelines=amended), unseen)
        return Proposal(amended, critique, before, after)

    async def _ask(self, task: Task, disagreements: Sequence[Disagreement]) -> tuple[str, str]:
        request = ModelRequest(
            model=self._settings.model,
            system=(
                "You improve guidelines for labeling texts. Say what in the guidelines led the annotator astray, then "
                "write the whole amended guidelines: keep what works, add rules that would have prevented the "
                "mistakes, and never quote or describe single texts."
            ),
            user=_material(task, disagreements, Fence(self._new_code())),
            schema=closed_object({"critique": {"type": "string"}, "guidelines": {"type": "string"}}),
            max_output_tokens=(self._settings.thinking_tokens or 0) + len(task.guidelines.text) + _EXTRA_TOKENS,
            effort=self._settings.effort,
        )
        reply = await self._caller.ask_once(request, [request.system, _material(task, disagreements, Fence(NO_CODE))])
        if isinstance(reply, Failure):
            raise _no_proposal(str(reply))
        if reply.stop is not Stop.FINISHED:
            raise _no_proposal(reply.detail)
        try:
            answer = json.loads(reply.text)
            critique, text = clean(answer["critique"]), clean(answer["guidelines"]).strip()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise _no_proposal("the answer is not of the form asked for") from error
        if not 0 < len(text) <= _MAX_GUIDELINES_CHARACTERS:
            raise _no_proposal(f"the proposed guidelines have {len(text)} characters")
        return critique, text

    async def _measure(self, task: Task, gold: Sequence[tuple[ItemToAnnotate, Body]]) -> Measured:
        truth = {item.item_id: body for item, body in gold}
        right = 0
        async with aclosing(self._annotator.annotate(task, [item for item, _ in gold])) as answers:
            async for item, answer in answers:
                right += answer.body == truth[item.item_id]
        return Measured(len(truth), right)


def _material(task: Task, disagreements: Sequence[Disagreement], fence: Fence) -> str:
    labels = "\n".join(f"- {label.name}: {label.description}" for label in task.labels)
    blocks = [
        f"{fence.wrap(one.item.text)}\nAnnotator: {_shown(one.given, fence)}\nRight: {_shown(one.trusted, fence)}"
        + (f"\nThe annotator's reason:\n{fence.wrap(one.rationale)}" if one.rationale else "")
        for one in disagreements
    ]
    mistakes = "\n\n".join(blocks)
    return (
        f"{fence.explain()}\n\nGuidelines:\n{task.guidelines.text}\n\nLabels:\n{labels}\n\n"
        f"Mistakes:\n\n{mistakes}\n\nGive the critique and the amended guidelines."
    )


def _shown(body: Body, fence: Fence) -> str:
    return body.name if isinstance(body, Label) else fence.wrap(repr(body))


def _no_proposal(why: str) -> Unavailable:
    return Unavailable(f"the model proposed no guidelines: {why}; try again", reason="NO_PROPOSAL")
