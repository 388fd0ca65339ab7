"""Text: a written answer, such as the response to an instruction."""

from collections.abc import Hashable, Mapping
from typing import Any

from typing_extensions import override

from nextlabel.server.tasks.drafts import AnswerForm, Draft, InvalidAnswerError
from nextlabel.server.tasks.task_type import TaskType
from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.labeling.answers import Outcome, Text
from nextlabel.server.values.labeling.tasks import Task

_MAX_CHARACTERS = 100_000
_USUAL = "The text says so in the words that it uses at its very beginning." * 8


class TextType(TaskType[Text]):
    """A written answer; nobody asks how probable it is to be right."""

    body = Text
    writes_text = True
    metric = None

    @override
    def rule(self, task: Task, form: AnswerForm) -> str:
        return "Write the text that the guidelines ask for."

    @override
    def properties(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        return {"text": {"type": "string"}}

    @override
    def usual(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        return {"text": _USUAL}

    @override
    def read(self, entry: Mapping[str, Any], task: Task, form: AnswerForm) -> Draft:
        given = entry.get("text")
        text = clean(given) if isinstance(given, str) and len(given) <= _MAX_CHARACTERS else ""
        if not text.strip():
            raise InvalidAnswerError(f"no text of 1 to {_MAX_CHARACTERS} characters")
        return Draft(Outcome.LABEL, body=Text(text))

    @override
    def shown(self, body: Text) -> str:
        return body.text

    @override
    def compared(self, body: Text) -> Hashable:
        return body.text

    @override
    def states_confidence(self, form: AnswerForm) -> bool:
        return False
