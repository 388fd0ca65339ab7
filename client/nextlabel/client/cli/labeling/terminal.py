"""Labeling in the terminal: an item, an answer, the next item."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from nextlabel.client.cli.output.terminal import printable
from nextlabel.client.cli.problems import say

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.v1.labeling_service_pb2 import Lease, LeasedItem
    from nextlabel.v1.project_service_pb2 import Project

SKIP = "s"
QUIT = "q"


class UnusableInputError(ValueError):
    """An input that is no answer; its text says what one is."""


def label_in_terminal(client: "Client", project: str, *, annotator: str, count: int) -> None:
    """Lease items, show them, store each answer at once; until nothing is left or the annotator quits."""
    settings = client.projects.get(project)
    read = _reader(settings)
    skipped: set[str] = set()
    answered = 0
    while True:
        with _leased(client, project, annotator, count) as lease:
            fresh = [leased for leased in lease.items if leased.item.id not in skipped]
            if not fresh:
                return say(f"nothing is left to label; {answered:,} answers stored")
            for leased in fresh:
                answer = _ask(leased, settings, read)
                if answer == QUIT:
                    return say(f"{answered:,} answers stored")
                if answer == SKIP:
                    skipped.add(leased.item.id)
                    continue
                (result,) = client.labeling.submit(
                    project, {leased.item.id: answer[0]}, annotator=annotator, lease_id=lease.lease_id
                )
                if result.message:
                    say(result.message)
                answered += 1


@contextmanager
def _leased(client: "Client", project: str, annotator: str, count: int) -> Iterator["Lease"]:
    """A lease that is given back however the annotator leaves, so that nobody waits for it to expire."""
    lease = client.labeling.lease(project, annotator=annotator, count=count)
    try:
        yield lease
    finally:
        if lease.lease_id:
            client.labeling.release(project, lease.lease_id)


def _ask(leased: "LeasedItem", settings: "Project", read: Callable[[str], Any]) -> Any:
    """SKIP, QUIT, or the answer in a tuple of one, so that no answer can be taken for the two."""
    console = Console(stderr=True)
    console.print(Panel(Text(printable(leased.item.text)), title=Text(printable(leased.item.id))))
    if leased.item.HasField("pair"):
        console.print(Panel(Text(printable(leased.item.pair.a)), title="a"))
        console.print(Panel(Text(printable(leased.item.pair.b)), title="b"))
    for number, label_class in enumerate(settings.label_space.classes, start=1):
        console.print(Text(printable(f"{number:>3} {label_class.name}  {label_class.description}")))
    if leased.HasField("suggestion"):
        from nextlabel.client.messages.answers import plain_answer

        suggested = plain_answer(leased.suggestion.answer)
        console.print(Text(printable(f"suggestion by {leased.suggestion.annotator}: {suggested}"), style="italic"))
    while True:
        try:
            given = typer.prompt("answer (s skips, q quits)", err=True).strip()
        except typer.Abort as abort:
            # The prompt raises the same for Ctrl-C, which is no orderly end.
            if isinstance(abort.__context__, EOFError):
                return QUIT
            raise
        if given in (SKIP, QUIT):
            return given
        try:
            return (read(given),)
        except UnusableInputError as error:
            say(str(error))


def _reader(settings: "Project") -> Callable[[str], Any]:
    from nextlabel.v1 import annotation_pb2 as annotation

    names = [label_class.name for label_class in settings.label_space.classes]
    match settings.annotation_type:
        case annotation.ANNOTATION_TYPE_SINGLE_LABEL:
            return lambda given: _class_name(given, names)
        case annotation.ANNOTATION_TYPE_MULTI_LABEL:
            return lambda given: [_class_name(part.strip(), names) for part in given.split(",") if part.strip()]
        case annotation.ANNOTATION_TYPE_SCORE:
            return _number
        case annotation.ANNOTATION_TYPE_PAIRWISE_PREFERENCE:
            return _winner
        case _:
            return str


def _class_name(given: str, names: list[str]) -> str:
    if given in names:
        return given
    if given.isdigit() and 1 <= int(given) <= len(names):
        return names[int(given) - 1]
    raise UnusableInputError(f"{given!r} is no class; give a number from 1 to {len(names)} or a name")


def _number(given: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise UnusableInputError(f"{given!r} is no number") from None


def _winner(given: str) -> str:
    if given not in ("a", "b", "tie"):
        raise UnusableInputError(f"{given!r} is not a, b or tie")
    return given
