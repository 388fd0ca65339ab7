"""What a run that has criticised texts written anew can be asked for."""

from __future__ import annotations

from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions, texts_an_item
from nextlabel.server.values.runs.runs import GoldReplay, RunSpec


def check_rewriting(project: Project, spec: RunSpec) -> None:
    """Check a run that is to write criticised texts anew.

    Raises:
        InvalidArgument: no texts are written in the project, no LLM answers, or it asks for what has no part in it.
    """
    if not spec.items.criticised:
        return
    rows = (
        (
            "items.criticised",
            not task_type(project.annotation_type).writes_text,
            f"people criticise texts, and {project.name} asks for {project.annotation_type.shown} annotations",
        ),
        ("annotator", not isinstance(spec.annotator, LlmOptions), "an LLM writes criticised texts anew; name one"),
        ("annotator", texts_an_item(spec.annotator) > 1, "a criticised text is written anew once: leave `texts` out"),
        ("gold_replay", spec.gold_replay != GoldReplay(), "nothing is asked of gold here: leave it out"),
    )
    if violations := [(f"spec.{path}", message) for path, wrong, message in rows if wrong]:
        raise InvalidArgument(violations)
