"""The LLM as author: it writes texts of a class, from real ones and with attributes that make them differ.

Conditioning on attributes spreads what is written (Yu et al. 2023, arXiv 2306.15895); real texts as seeds keep it near
what the pool holds. What comes back is hostile like any other text, and goes nowhere unmarked.
"""

import json
from collections.abc import Callable, Sequence

from nextlabel.server.annotators.endpoints.wire import Endpoint, Failure, ModelRequest, Reply, Stop
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.prompting.marking import NO_CODE, Fence
from nextlabel.server.annotators.prompting.redaction import Redactor
from nextlabel.server.tasks.json_schema import closed_object
from nextlabel.server.tasks.label_space import label_lines
from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.synthesis import WritingRequest, Written

_MAX_CHARACTERS = 2_000
_MAX_SEED_CHARACTERS = 2_000
_TOKENS_PER_TEXT = 400


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
        seeds = "\n\n".join(fence.wrap(self._shown(seed.text)) for seed in request.seeds)
        shown = f"{fence.explain()}\n\nReal texts, to show what they look like:\n\n{seeds}\n\n" if seeds else ""
        beside = f" that a careless reader could take for {request.boundary!r}" if request.boundary else ""
        return ModelRequest(
            model=self._settings.model,
            system=(
                "You write texts as people write them, so that a small classifier can learn from them. Each is a new "
                "text of the class asked for, with facts, wording and structure of its own; none repeats or rewords "
                f"another.\n\nGuidelines:\n{task.guidelines.text}\n\nClasses:\n{label_lines(task.labels)}"
            ),
            user=(
                f"{shown}Write {request.count} new texts of class {request.label!r}{beside}. "
                f"Make them so: {request.attributes}."
            ),
            schema=closed_object({"texts": {"type": "array", "items": {"type": "string"}}}),
            max_output_tokens=(self._settings.thinking_tokens or 0) + 64 + request.count * _TOKENS_PER_TEXT,
            effort=self._settings.effort,
        )

    async def close(self) -> None:
        """Close the connections to the endpoint."""
        await self._endpoint.close()

    def _shown(self, text: str) -> str:
        return (Redactor().redact(text) if self._redact else text)[:_MAX_SEED_CHARACTERS]


def _read(reply: Reply, request: WritingRequest) -> Written:
    if reply.stop is not Stop.FINISHED:
        return Written(request, (), f"the model did not finish: {reply.detail or reply.stop.value}")
    try:
        texts = json.loads(reply.text)["texts"]
    except (ValueError, TypeError, KeyError, RecursionError):
        texts = None
    if not isinstance(texts, list):
        return Written(request, (), "the answer is not of the form asked for")
    usable = _usable(texts)
    return Written(request, usable[: request.count], "" if usable else "the answer holds no text")


def _usable(texts: Sequence[object]) -> list[str]:
    cleaned = [clean(text).strip() for text in texts if isinstance(text, str) and len(text) <= _MAX_CHARACTERS]
    return [text for text in cleaned if text]
