"""Options that several commands share."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="Name of the project.")]
StrategyOption = Annotated[
    str, typer.Option("--strategy", help="How items are picked, such as margin. (default: the project's)")
]
OverlapOption = Annotated[int, typer.Option("--overlap", min=1, help="Annotators that each item is given to.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed gives the same result.")]


def key_values(pairs: Sequence[str] | None) -> dict[str, Any]:
    """The parameters given as NAME=VALUE; values that are JSON are read as such.

    >>> key_values(["shortlist=200", "metric=cosine"])
    {'shortlist': 200, 'metric': 'cosine'}

    Raises a usage error for a pair without `=`.
    """
    parameters: dict[str, Any] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"expected NAME=VALUE, got {pair!r}")
        try:
            parameters[name] = json.loads(value)
        except json.JSONDecodeError:
            parameters[name] = value
    return parameters
