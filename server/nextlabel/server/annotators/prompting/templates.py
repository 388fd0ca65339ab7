"""The wording of the system prompt: ours, or a project's own template. A template places named texts, and nothing else.

There are no expressions, loops, calls or attributes to run, so the cost of a template is the length of what it makes.
"""

import re
from collections.abc import Mapping

from nextlabel.server.values.errors import InvalidArgument

VARIABLES = ("instruction", "guidelines", "labels", "demonstrations", "data_rule", "answer_rule")
"""Everything a template may place. Items are no variable: they are always added by us, fenced as data."""

_MAX_TEMPLATE_CHARACTERS = 20_000
_MAX_RENDERED_CHARACTERS = 400_000
_FIELD = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
_OPENING = re.compile(r"\{[{%#]")
_SHOWN_CHARACTERS = 40


def render_system(template: str | None, **variables: str) -> str:
    """Fill `template`, or the default wording, with the texts of `VARIABLES`.

    Raises `InvalidArgument` when the template is wrong (see `check_template`) or renders to too much.

    >>> render_system("Judge. {{ guidelines }} {{ labels }}", guidelines="Be strict.", labels="- spam")
    'Judge. Be strict. - spam'
    """
    text = _default(variables) if template is None else _filled(template, variables)
    if len(text) > _MAX_RENDERED_CHARACTERS:
        raise _too_long(len(text))
    return text


def check_template(template: str) -> None:
    """Raise `InvalidArgument` when a template is too long, or asks for anything but `{{ NAME }}` of `VARIABLES`."""
    if len(template) > _MAX_TEMPLATE_CHARACTERS:
        raise _wrong(f"has {len(template)} characters, at most {_MAX_TEMPLATE_CHARACTERS} are allowed")
    for found in _OPENING.finditer(template):
        field = _FIELD.match(template, found.start())
        if field is None or field.group(1) not in VARIABLES:
            shown = template[found.start() : found.start() + _SHOWN_CHARACTERS]
            names = ", ".join(f"{{{{ {name} }}}}" for name in VARIABLES)
            raise _wrong(
                f"cannot take {shown!r} at character {found.start() + 1}; a template may hold {names}, no more"
            )


def _filled(template: str, variables: Mapping[str, str]) -> str:
    check_template(template)
    size = len(template) + sum(len(variables[found.group(1)]) for found in _FIELD.finditer(template))
    if size > _MAX_RENDERED_CHARACTERS + _MAX_TEMPLATE_CHARACTERS:
        raise _too_long(size)
    return _FIELD.sub(lambda found: variables[found.group(1)], template.replace("\r\n", "\n"))


def _default(variables: Mapping[str, str]) -> str:
    given = variables.get
    text = f"You annotate texts. {given('instruction')} {given('answer_rule')}\n"
    if guidelines := given("guidelines"):
        text += f"\nGuidelines:\n{guidelines}\n"
    if labels := given("labels"):
        text += f"\nLabels:\n{labels}\n"
    if demonstrations := given("demonstrations"):
        text += f"\n{given('data_rule')}\n\nItems and their answers:\n{demonstrations}\n"
    return text


def _too_long(characters: int) -> InvalidArgument:
    return _wrong(f"renders to {characters} characters, at most {_MAX_RENDERED_CHARACTERS} fit")


def _wrong(description: str) -> InvalidArgument:
    return InvalidArgument.field("technique.template", description)
