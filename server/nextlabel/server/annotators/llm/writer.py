"""The LLM as author: it writes texts for a target, from real ones and with attributes that make them differ.

Conditioning on attributes spreads what is written (Yu et al. 2023, arXiv 2306.15895); real texts as seeds keep it near
what the pool holds. What comes back is hostile like any other text, and goes nowhere unmarked.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from nextlabel.server.annotators.endpoints.wire import Endpoint, Failure, ModelRequest, Reply, Stop
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.prompting.marking import NO_CODE, Fence
from nextlabel.server.annotators.prompting.redaction import Redactor
from nextlabel.server.tasks.json_schema import JsonSchema, closed_object
from nextlabel.server.tasks.label_space import label_lines
from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Label, MultiLabel, Score
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.synthesis import WritingRequest, Written, WrittenText

_MAX_CHARACTERS = 2_000
_MAX_SEED_CHARACTERS = 2_000
_TOKENS_PER_TEXT = 400
_ROLE = (
    "You write texts as people write them, so that a small classifier can learn from them. Each is a new text of what "
    "is asked for, with facts, wording and structure of its own; none repeats or rewords another."
)
_AUTHOR = (
    "You write texts as people write them, and the best answer to each, so that a language model can learn from both. "
    "Each text has facts, wording and structure of its own; none repeats or rewords another."
)


class LlmWriter:
    """Implements `Writer`. With `redact`, personal data in the texts shown is replaced by placeholders."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        caller: MeteredCaller,
        settings: ModelSettings,
        new_code: Callable[[], str],
        redact: bool = False,
    ) -> None:
        self._endpoint = endpoint
        self._caller = caller
        self._settings = settings
        self._new_code = new_code
        self._redact = redact

    @property
    def name(self) -> str:
        """The model that writes."""
        return self._settings.model

    async def write(self, task: Task, request: WritingRequest) -> Written:
        """See `Writer.write`."""
        sent = self.request(task, request, self._new_code())
        question = self.request(task, request, NO_CODE)
        reply = await self._caller.ask_once(sent, question, request.number)
        if isinstance(reply, Failure):
            return Written(request, (), f"the model could not be asked: {reply}")
        return _read(reply, request)

    def request(self, task: Task, request: WritingRequest, code: str) -> ModelRequest:
        """The call that `write` makes, its data fenced by `code`."""
        fence = Fence(code)
        shown = self._examples("Real texts, to show what they look like", request.seeds, fence)
        shown += self._examples("Real texts that are hard to tell", request.rare, fence)
        role = _AUTHOR if request.target is None else _ROLE
        explained = f"{fence.explain()}\n\n{shown}" if shown else ""
        return ModelRequest(
            model=self._settings.model,
            system=f"{role}\n\nGuidelines:\n{task.guidelines.text}{_space(task)}",
            user=f"{explained}Write {_wanted(task, request)}. Make them so: {request.attributes}.{_fields(request)}",
            schema=_schema(request),
            max_output_tokens=(self._settings.thinking_tokens or 0) + 64 + request.count * _tokens(request),
            effort=self._settings.effort,
        )

    def _examples(self, what: str, items: Sequence[ItemToAnnotate], fence: Fence) -> str:
        seeds = "\n\n".join(fence.wrap(self._shown(item.text)) for item in items)
        return f"{what}:\n\n{seeds}\n\n" if seeds else ""

    async def close(self) -> None:
        """Close the connections to the endpoint."""
        await self._endpoint.close()

    def _shown(self, text: str) -> str:
        return (Redactor().redact(text) if self._redact else text)[:_MAX_SEED_CHARACTERS]


def _space(task: Task) -> str:
    if task.labels:
        return f"\n\nClasses:\n{label_lines(task.labels)}"
    return f"\n\nScores are {task.score_range}." if task.annotation_type is AnnotationType.SCORE else ""


def _wanted(task: Task, request: WritingRequest) -> str:
    """What is to be written, in words."""
    beside = f" that a careless reader could take for {request.boundary!r}" if request.boundary else ""
    hard = ", as hard to tell as those above" if request.rare else ""
    texts = f"{request.count} new texts"
    if isinstance(request.target, Label):
        return f"{texts} of class {request.target.name!r}{beside}{hard}"
    if isinstance(request.target, MultiLabel):
        names = request.target.names
        each = f"class {names[0]!r}" if len(names) == 1 else f"all of the classes {', '.join(map(repr, names))}"
        return f"{texts} to each of which {each} applies, and no other{beside}{hard}"
    if isinstance(request.target, Score):
        return f"{texts} that deserve a score of {request.target.value:g}{hard}"
    return f"{request.count} new texts such as the guidelines are about, each with the answer that they ask for"


def _fields(request: WritingRequest) -> str:
    fields = "; ".join(f"{name}: {value}" for name, value in request.metadata.items())
    return f" They are texts such as those with {fields}." if fields else ""


def _schema(request: WritingRequest) -> JsonSchema:
    text: dict[str, Any] = {"type": "string"}
    one = closed_object({"text": text, "answer": text}) if request.target is None else text
    return closed_object({"texts": {"type": "array", "items": one}})


def _tokens(request: WritingRequest) -> int:
    return _TOKENS_PER_TEXT * (2 if request.target is None else 1)


def _read(reply: Reply, request: WritingRequest) -> Written:
    if reply.stop is not Stop.FINISHED:
        return Written(request, (), f"the model did not finish: {reply.detail or reply.stop.value}")
    try:
        texts = json.loads(reply.text)["texts"]
    except (ValueError, TypeError, KeyError, RecursionError):
        texts = None
    if not isinstance(texts, list):
        return Written(request, (), "the answer is not of the form asked for")
    usable = [found for one in texts if (found := _usable(one, request)) is not None]
    return Written(request, usable[: request.count], "" if usable else "the answer holds no text")


def _usable(entry: object, request: WritingRequest) -> WrittenText | None:
    """Return what was written; None for what is no text, or an instruction without an answer."""
    if request.target is not None:
        text = _clean(entry)
        return WrittenText(text) if text else None
    text, answer = (_clean(entry.get(name)) for name in ("text", "answer")) if isinstance(entry, dict) else ("", "")
    return WrittenText(text, answer) if text and answer else None


def _clean(text: object) -> str:
    return clean(text).strip() if isinstance(text, str) and len(text) <= _MAX_CHARACTERS else ""
