"""Feedback: where an annotator disagrees with gold or people, the guidelines may be at fault.

A model sees disagreements and amends the guidelines; the annotator answers under both, so that the effect can be told.
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
from nextlabel.server.tasks.label_space import label_lines
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.critiques import Critique, Disagreement
from nextlabel.server.values.errors import FailedPrecondition, Unavailable
from nextlabel.server.values.labeling.answers import Body, Label
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task

_MAX_GUIDELINES_CHARACTERS = 50_000
_MAX_ITEM_CHARACTERS = 2_000
_EXTRA_TOKENS = 1_500
_SYSTEM = (
    "You improve guidelines for labeling texts. Say what in the guidelines led the annotator astray, then write the "
    "whole amended guidelines: keep what works, add rules that would have prevented the mistakes, and never quote or "
    "describe single texts."
)


class GuidelineCritic:
    """Implements the domain's `Critic`: one model writes the critique, `annotator` is the one that errs.

    With `redact`, personal data in the texts shown is replaced by placeholders.
    """

    def __init__(
        self,
        *,
        caller: MeteredCaller,
        settings: ModelSettings,
        annotator: Annotator,
        new_code: Callable[[], str],
        redact: bool = False,
    ) -> None:
        self._caller = caller
        self._settings = settings
        self._annotator = annotator
        self._new_code = new_code
        self._redact = redact

    @property
    def name(self) -> str:
        """The model that writes the critique."""
        return self._settings.model

    async def criticise(self, task: Task, disagreements: Sequence[Disagreement]) -> Critique:
        """Say what led the annotator astray, and amend the guidelines of `task`.

        Raises `Unavailable` when the model cannot be reached, `FailedPrecondition` when its answer is of no use,
        `BudgetExhausted` and `AnnotatorStopped`.
        """
        shown = [_redacted(one) for one in disagreements] if self._redact else disagreements
        asked, question = (self._request(task, shown, code) for code in (self._new_code(), NO_CODE))
        reply = await self._caller.ask_once(asked, question)
        if isinstance(reply, Failure):
            raise Unavailable(f"the model could not be asked: {reply}; try again later", reason="NO_PROPOSAL")
        return _read_critique(reply, task)

    def _request(self, task: Task, shown: Sequence[Disagreement], code: str) -> ModelRequest:
        return ModelRequest(
            model=self._settings.model,
            system=_SYSTEM,
            user=_material(task, shown, Fence(code)),
            schema=closed_object({"critique": {"type": "string"}, "guidelines": {"type": "string"}}),
            max_output_tokens=(self._settings.thinking_tokens or 0) + len(task.guidelines.text) + _EXTRA_TOKENS,
            effort=self._settings.effort,
        )

    async def answers(self, task: Task, items: Sequence[ItemToAnnotate]) -> Mapping[str, Body]:
        """What the annotator answers about items, by item id; items without an answer are left out."""
        given: dict[str, Body] = {}
        async with aclosing(self._annotator.annotate(task, items)) as answers:
            async for item, answer in answers:
                if answer.body is not None:
                    given[item.item_id] = answer.body
        return given

    async def close(self) -> None:
        """Close the annotator, whose connections the critic shares."""
        await self._annotator.close()


def _read_critique(reply: Reply, task: Task) -> Critique:
    if reply.stop is not Stop.FINISHED:
        raise _no_proposal(reply.detail)
    try:
        answer = json.loads(reply.text)
        critique, text = clean(answer["critique"]), clean(answer["guidelines"]).strip()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _no_proposal("the answer is not of the form asked for") from error
    if not 0 < len(text) <= _MAX_GUIDELINES_CHARACTERS:
        raise _no_proposal(f"the proposed guidelines have {len(text)} characters")
    if text == task.guidelines.text.strip():
        raise _no_proposal("it would change nothing")
    return Critique(critique, text)


def _redacted(shown: Disagreement) -> Disagreement:
    redactor = Redactor()
    return Disagreement(
        item=redactor.item(shown.item),
        given=redactor.body(shown.given),
        trusted=redactor.body(shown.trusted),
        rationale=redactor.redact(shown.rationale),
        critiques=tuple(map(redactor.redact, shown.critiques)),
    )


def _material(task: Task, disagreements: Sequence[Disagreement], fence: Fence) -> str:
    mistakes = "\n\n".join(_mistake(one, fence) for one in disagreements)
    labels = f"Labels:\n{label_lines(task.labels)}\n\n" if task.labels else ""
    return (
        f"{fence.explain()}\n\nGuidelines:\n{task.guidelines.text}\n\n{labels}"
        f"Mistakes:\n\n{mistakes}\n\nGive the critique and the amended guidelines."
    )


def _mistake(one: Disagreement, fence: Fence) -> str:
    item = one.item
    parts = [fence.wrap(item.text[:_MAX_ITEM_CHARACTERS])] if item.text or item.alternatives is None else []
    if item.alternatives is not None:
        first, second = (fence.wrap(text[:_MAX_ITEM_CHARACTERS]) for text in item.alternatives)
        parts.append(f"First:\n{first}\nSecond:\n{second}")
    parts.append(f"Annotator: {_shown(one.given, fence)}\nRight: {_shown(one.trusted, fence)}")
    if one.rationale:
        parts.append(f"The annotator's reason:\n{fence.wrap(one.rationale)}")
    parts += [f"What a person said of it:\n{fence.wrap(critique)}" for critique in one.critiques]
    return "\n".join(parts)


def _shown(body: Body, fence: Fence) -> str:
    return body.name if isinstance(body, Label) else fence.wrap(type_of(body).shown(body))


def _no_proposal(why: str) -> FailedPrecondition:
    # The model's answer is kept and would be found again, so repeating the same call does not help.
    return FailedPrecondition(
        f"the model proposed no guidelines: {why}; ask another model, or show it another number of disagreements",
        reason="NO_PROPOSAL",
    )
