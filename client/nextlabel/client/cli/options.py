"""Options that several commands share."""

import csv
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="Name of the project.")]
StrategyOption = Annotated[
    str, typer.Option("--strategy", help="How items are picked, such as margin. (default: the project's)")
]
StrategyParamOption = Annotated[
    list[str] | None, typer.Option("--strategy-param", metavar="NAME=VALUE", help="Parameter of --strategy.")
]
OverlapOption = Annotated[int, typer.Option("--overlap", min=1, help="Annotators that each item is given to.")]
GoldShareOption = Annotated[
    float | None,
    typer.Option("--gold-share", min=0, max=0.5, help="Share of people's leases for gold that they cannot tell apart."),
]
ConsensusOption = Annotated[
    str | None,
    typer.Option(
        "--consensus",
        metavar="WAY",
        help="How answers are joined: majority, auto, crowdlab or a name of quality consensus.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed gives the same result.")]


def listed_names(listed: str) -> list[str]:
    """The names in a text with commas between; one that holds a comma stands in quotes.

    >>> listed_names('sports, "arts, letters"')
    ['sports', 'arts, letters']

    Raises a usage error for quotes that do not fit and for an empty name.
    """
    if not listed:
        return []
    try:
        (names,) = csv.reader([listed], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise typer.BadParameter(f"expected names with commas between, got {listed!r} ({error})") from None
    names = [name.strip() for name in names]
    if not all(names):
        raise typer.BadParameter(f"there is an empty name in {listed!r}")
    return names


def listing(names: Iterable[str]) -> str:
    """Names as `listed_names` reads them.

    >>> listing(["sports", "arts, letters"])
    'sports, "arts, letters"'
    """
    return ", ".join('"' + name.replace('"', '""') + '"' if set(name) & {",", '"'} else name for name in names)


def share(given: str) -> float:
    """A share from 0 to below 1, given as such or in per cent.

    >>> share("20%"), share("0.2")
    (0.2, 0.2)

    Raises a usage error for anything else.
    """
    text = str(given).strip()
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise typer.BadParameter(f"expected a share such as 20% or 0.2, got {given!r}")
    return value


EstimatorParamOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Parameter of --estimator, such as measure=accuracy."),
]


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
