"""Labeling in the terminal: an item, an answer, the next item."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from nextlabel.client.cli.commands.label.inputs import Command, Inputs, UnusableInputError, inputs_of
from nextlabel.client.cli.output.patience import being_picked
from nextlabel.client.cli.output.terminal import printable
from nextlabel.client.cli.problems import say

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.v1.labeling_service_pb2 import Lease, LeasedItem, SubmitResult
    from nextlabel.v1.project_service_pb2 import Project


def label_in_terminal(
    client: "Client",
    project: str,
    *,
    annotator: str,
    count: int,
    review: bool = False,
    show_answers: bool = False,
    unlabeled: int = 0,
    audit: bool = False,
) -> None:
    """Lease items, show them, store each answer at once; until nothing is left or the annotator quits."""
    settings = client.projects.get(project)
    desk = _Desk(client, settings, annotator, inputs_of(settings), review, show_answers, unlabeled, audit)
    while True:
        with desk.leased(count) as lease:
            if not lease.items:
                return say(f"nothing is left to {'review' if review else 'label'}; {desk.stored}")
            if not desk.work_through(lease):
                return say(desk.stored)


@dataclass(slots=True)
class _Desk:
    """One annotator at work: the items that were done in this session can be taken up again."""

    client: "Client"
    settings: "Project"
    annotator: str
    inputs: Inputs
    review: bool = False
    show_answers: bool = False
    unlabeled: int = 0
    audit: bool = False
    answered: set[str] = field(default_factory=set)
    _done: list["LeasedItem"] = field(default_factory=list)

    @property
    def stored(self) -> str:
        return f"{len(self.answered):,} answers stored"

    @contextmanager
    def leased(self, count: int) -> Iterator["Lease"]:
        """A lease that is given back however the annotator leaves, so that nobody waits for it to expire."""
        labeling = self.client.project(self.settings.name).labeling
        with being_picked():
            lease = labeling.lease(
                annotator=self.annotator,
                count=count,
                review=self.review,
                show_answers=self.show_answers,
                unlabeled=self.unlabeled,
                audit=self.audit,
            )
        try:
            yield lease
        finally:
            if lease.lease_id:
                labeling.release(lease.lease_id)

    def work_through(self, lease: "Lease") -> bool:
        """Ask about each item of a lease; False when the annotator quits."""
        waiting = list(lease.items)[::-1]
        leased = {item.item.id for item in waiting}
        while waiting:
            item = waiting.pop()
            self._show(item)
            given = self._ask()
            if given is Command.QUIT:
                return False
            if given is Command.UNDO:
                waiting += [item, *self._taken_back()]
                continue
            # An item that was taken back has no place on the lease any more: the answer corrects the one before.
            lease_id = lease.lease_id if item.item.id in leased else ""
            leased.discard(item.item.id)
            self._store(item, given, lease_id)
        return True

    def _taken_back(self) -> list["LeasedItem"]:
        if not self._done:
            say("there is nothing before this item")
        return [self._done.pop()] if self._done else []

    def _store(self, item: "LeasedItem", given: Any, lease_id: str) -> None:
        result = self._submitted(item.item.id, given, lease_id)
        if result.message:
            say(result.message)
        if given is Command.SKIP:
            self.answered.discard(item.item.id)
        elif not result.message:
            self.answered.add(item.item.id)
        self._done.append(item)

    def _submitted(self, item_id: str, given: Any, lease_id: str) -> "SubmitResult":
        labeling = self.client.project(self.settings.name).labeling
        if given is Command.SKIP:
            (result,) = labeling.skip([item_id], annotator=self.annotator, lease_id=lease_id)
        else:
            (result,) = labeling.submit({item_id: given}, annotator=self.annotator, lease_id=lease_id)
        return result

    def _show(self, leased: "LeasedItem") -> None:
        console = Console(stderr=True)
        title = Text(printable(f"{leased.item.id}  ({len(self.answered):,} answered)"))
        if leased.item.text or not leased.item.HasField("pair"):
            console.print(Panel(Text(printable(leased.item.text)), title=title))
        else:
            console.print(title)
        if leased.item.HasField("pair"):
            console.print(Panel(Text(printable(leased.item.pair.a)), title="a"))
            console.print(Panel(Text(printable(leased.item.pair.b)), title="b"))
        if self.review:
            console.print(Text(printable(leased.pick.reason), style="italic"))
        if leased.HasField("doubted"):
            from nextlabel.client.cli.commands.label.doubted import known_of

            for line in known_of(leased.doubted):
                console.print(Text(printable(line), style="italic"))
        for key, label_class in zip(self.inputs.class_keys, self.settings.label_space.classes, strict=False):
            console.print(Text(printable(f"{key:>3} {label_class.name}  {label_class.description}")))
        if leased.HasField("suggestion"):
            from nextlabel.client.messages.answers import plain_answer

            suggested = plain_answer(leased.suggestion.answer)
            console.print(Text(printable(f"suggestion by {leased.suggestion.annotator}: {suggested}"), style="italic"))

    def _ask(self) -> Any:
        """An answer, or a command other than HELP; the end of the input is QUIT."""
        skip, undo, leave, explain = (self.inputs.command_key(command) for command in Command)
        expected = f"{self.inputs.expected}; " if self.inputs.expected else ""
        keys = f"{expected}{skip} skips, {undo} undoes, {leave} quits, {explain} helps"
        while True:
            try:
                given = typer.prompt(f"answer ({keys})", err=True)
            except typer.Abort as abort:
                # The prompt raises the same for Ctrl-C, which is no orderly end.
                if isinstance(abort.__context__, EOFError):
                    return Command.QUIT
                raise
            try:
                read = self.inputs.read(given.strip())
            except UnusableInputError as error:
                say(str(error))
                continue
            if read is not Command.HELP:
                return read
            say(
                f"{skip} passes the item on to others; {undo} takes up the item before, and the new answer corrects "
                f"the old one; {leave} ends and gives the rest back; everything else is an answer"
            )
