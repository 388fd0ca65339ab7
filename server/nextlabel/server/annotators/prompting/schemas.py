"""JSON schemas that close the form of a model's reply: only the label space fits."""

from collections.abc import Sequence

from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.tasks.answer_form import answer_properties
from nextlabel.server.tasks.json_schema import JsonSchema, closed_object
from nextlabel.server.values.labeling.tasks import Task


def answer_schema(task: Task, technique: Technique, ids: Sequence[str]) -> JsonSchema:
    """The schema of a reply about the items called `ids`; one item answers directly, several in `answers`."""
    properties = answer_properties(task, technique.form)
    if len(ids) == 1:
        return closed_object(properties)
    item = closed_object({"id": {"type": "string", "enum": list(ids)}, **properties})
    return closed_object({"answers": {"type": "array", "items": item}})
