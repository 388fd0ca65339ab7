"""Options that belong together, as one parameter of the commands that take them."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints

Command = Callable[..., None]


def with_options(name: str, group: type[Any]) -> Callable[[Command], Command]:
    """A decorator that gives a command an option for each field of the dataclass `group`.

    They take the place of the command's parameter `name`, which is given them as one value.
    """
    hints = get_type_hints(group, include_extras=True)
    fields = inspect.signature(group).parameters.values()
    options = [inspect.Parameter(f.name, f.KEYWORD_ONLY, default=f.default, annotation=hints[f.name]) for f in fields]

    def decorated(command: Command) -> Command:
        @wraps(command)
        def wrapper(**given: Any) -> None:
            chosen = {option.name: given.pop(option.name) for option in options}
            command(**given, **{name: group(**chosen)})

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command).parameters.values():
            here = parameter.replace(kind=parameter.KEYWORD_ONLY)
            parameters += options if parameter.name == name else [here]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return wrapper

    return decorated
