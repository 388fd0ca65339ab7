"""Options of commands that create projects: what items are asked for, and how it is to be answered."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from nextlabel.client.cli.options import listed_names
from nextlabel.client.literals import AnnotationTypeName
from nextlabel.client.readers.text import read_text

if TYPE_CHECKING:
    from nextlabel.v1.project_service_pb2 import LabelClass

LabelsOption = Annotated[
    str, typer.Option("--labels", metavar="A,B,C", help="Names of the classes, in an order that stays.")
]
LabelsFileOption = Annotated[
    Path | None,
    typer.Option(
        "--labels-file",
        help="The classes instead: one a line; after a tab what it means, after more tabs texts typical of it.",
    ),
]
PathsOption = Annotated[
    bool,
    typer.Option("--paths", help="Names such as animal/cat are paths: an answer names all above it too (multi_label)."),
]


def _annotation_type(name: str) -> str:
    from nextlabel.client.messages.annotation_types import annotation_type_value

    try:
        annotation_type_value(name)
    except ValueError as error:
        raise typer.BadParameter(str(error).removeprefix("annotation_type: ")) from None
    return name.lower().replace("-", "_")


TypeOption = Annotated[
    AnnotationTypeName,
    typer.Option(
        "--type",
        parser=_annotation_type,
        metavar="|".join(get_args(AnnotationTypeName)),
        help="What the items ask for.",
    ),
]
ScoreRangeOption = Annotated[
    str,
    typer.Option(
        "--score-range", metavar="MIN,MAX[,STEP]", help="The scores that are allowed, for --type score: 1,5,1."
    ),
]


GuidelinesOption = Annotated[
    Path | None, typer.Option("--guidelines", metavar="FILE", help="The codebook, a text file.")
]


def codebook(file: Path | None) -> str:
    """The guidelines that stand in a file, "" without one.

    Raises a usage error where there is no such file, as where the text itself was given, and OSError.
    """
    if file is None:
        return ""
    if not (file.is_file() or file.is_fifo()):
        raise typer.BadParameter(
            f"there is no file {str(file)!r}; put the text into a file and name that", param_hint="--guidelines"
        )
    return read_text(file)


def named_classes(listed: str, file: Path | None) -> "list[LabelClass]":
    """The classes that were named, or those of a file with what it says of them; empty when none were.

    Raises a usage error when both are given, ValueError for a name that comes twice, and OSError.
    """
    from nextlabel.client.messages.label_classes import classes_of
    from nextlabel.v1.project_service_pb2 import LabelClass

    if file is None:
        return [LabelClass(name=name) for name in listed_names(listed)]
    if listed:
        raise typer.BadParameter("give --labels or --labels-file, not both")
    try:
        return classes_of(read_text(file))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def score_range(value: str) -> tuple[float, float, float] | None:
    """The smallest and the greatest score and the step between scores, 0 where every number is one.

    >>> score_range("1,5,1"), score_range("0,1"), score_range("")
    ((1.0, 5.0, 1.0), (0.0, 1.0, 0.0), None)

    Raises a usage error for anything else.
    """
    if not value:
        return None
    try:
        low, high, *step = map(float, value.split(","))
        (of_step,) = step or (0.0,)
    except ValueError:
        expected = f"expected two numbers MIN,MAX, or three with the step between scores, got {value!r}"
        raise typer.BadParameter(expected, param_hint="--score-range") from None
    return low, high, of_step
