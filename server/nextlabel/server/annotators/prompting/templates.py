"""The wording of the system prompt: ours, or a project's own template in a sandbox."""

from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn

from nextlabel.server.values.errors import InvalidArgument

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.runtime import Context

VARIABLES = ("instruction", "guidelines", "labels", "demonstrations", "data_rule", "answer_rule")
"""Everything a template may use. Items are no variable: they are always added by us, fenced as data."""

_MAX_TEMPLATE_CHARACTERS = 20_000
_MAX_RENDERED_CHARACTERS = 400_000

_DEFAULT = """\
You annotate texts. {{ instruction }} {{ answer_rule }}
{% if guidelines %}
Guidelines:
{{ guidelines }}
{% endif %}{% if labels %}
Labels:
{{ labels }}
{% endif %}{% if demonstrations %}
{{ data_rule }}

Items and their answers:
{{ demonstrations }}
{% endif %}"""


def render_system(template: str | None, **variables: str) -> str:
    """Render `template`, or the default wording, with exactly the variables of `VARIABLES`.

    Raises `InvalidArgument` when the template is broken, uses anything else, or renders to too much.
    """
    from jinja2 import TemplateError

    try:
        text = _compiled(_DEFAULT if template is None else template).render(variables)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise _wrong(f"{error}; allowed variables: {', '.join(VARIABLES)}") from error
    if len(text) > _MAX_RENDERED_CHARACTERS:
        raise _wrong(f"renders to {len(text)} characters, at most {_MAX_RENDERED_CHARACTERS} fit")
    return text


def check_template(template: str) -> None:
    """Raise `InvalidArgument` when a template is too long, broken, or uses anything but `VARIABLES`."""
    if len(template) > _MAX_TEMPLATE_CHARACTERS:
        raise _wrong(f"has {len(template)} characters, at most {_MAX_TEMPLATE_CHARACTERS} are allowed")
    render_system(template, **dict.fromkeys(VARIABLES, ""))


def _wrong(description: str) -> InvalidArgument:
    return InvalidArgument.field("technique.template", description)


@lru_cache(maxsize=64)
def _compiled(template: str) -> "Template":
    from jinja2 import StrictUndefined
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        # Repetition and powers are the way to fill the memory from a few characters.
        intercepted_binops = frozenset({"*", "**", "%"})

        def call_binop(self, context: "Context", operator: str, left: object, right: object) -> NoReturn:
            raise SecurityError(f"the operator {operator} is not allowed in templates")

    environment = Sandbox(undefined=StrictUndefined, autoescape=False)
    environment.globals.clear()
    environment.filters.clear()
    return environment.from_string(template)
