"""Answers from a file: of a person, or known beforehand."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nextlabel.client.cli.files.adding import report_malformed
from nextlabel.client.cli.problems import list_problems, say
from nextlabel.client.items import Rows
from nextlabel.client.readers.file import ItemFile
from nextlabel.client.row_checks import checked_id, is_missing

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.v1.annotation_pb2 import Answer


@dataclass(slots=True)
class FileAnswers:
    """The answers of a file by item id, and the rows that hold none that can be used."""

    answers: dict[str, "Answer"] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unlabeled: int = 0


def read_answers(client: "Client", project: str, items: ItemFile) -> FileAnswers:
    """All answers of a file, as the project asks for them; says on stderr what was passed over.

    A row without a label is no answer. Of an item to which the file gives different answers, none is taken.
    """
    from nextlabel.client.messages.answers import encode_answer
    from nextlabel.client.messages.names import named_as

    found = client.projects.get(project)
    named = named_as(one.name for one in found.label_space.classes)
    read = FileAnswers()
    contradicted: dict[str, list[int]] = {}
    for number, item_id, label in _labeled_rows(items, read):
        try:
            answer = encode_answer(label, found.annotation_type, named)
        except ValueError as error:
            read.problems.append(f"{items.unit} {number}: {error}")
            continue
        if read.answers.setdefault(item_id, answer) != answer:
            contradicted.setdefault(item_id, [read.rows[item_id]]).append(number)
        read.rows.setdefault(item_id, number)
    for item_id, numbers in contradicted.items():
        del read.answers[item_id]
        places = ", ".join(map(str, numbers))
        read.problems.append(f"item {item_id}: {items.unit}s {places} give different answers; none was taken")
    _report(items, read)
    return read


def upload_known_labels(client: "Client", project: str, label_set: str, known: ItemFile) -> None:
    """Upload the labels of a file as a set; says on stderr how many, and what was passed over."""
    read = read_answers(client, project, known)
    response = client.labeling.upload_replay_labels(project, label_set, read.answers)
    list_problems(
        (f"{known.unit} {read.rows.get(e.item_id, '?')}, item {e.item_id}: {e.message}" for e in response.errors),
        response.rejected,
        "labels not taken",
    )
    say(f"{response.accepted + response.duplicates:,} known labels in set {label_set!r}")


def _labeled_rows(items: ItemFile, read: FileAnswers) -> Iterator[tuple[int, str, Any]]:
    for rows in items.blocks():
        for i, number in enumerate(rows.numbers):
            label = None if rows.labels is None else rows.labels[i]
            if is_missing(label):
                read.unlabeled += 1
                continue
            try:
                item_id = row_id(rows, i)
            except ValueError as error:
                read.problems.append(f"{items.unit} {number}: {error}")
            else:
                yield number, item_id, label


def row_id(rows: Rows, i: int) -> str:
    """The id that row i gets in a pool: its own, or that of its text. Raises RowError when it has neither."""
    own = None if rows.ids is None else rows.ids[i]
    return checked_id(own, rows.texts[i])


def _report(items: ItemFile, read: FileAnswers) -> None:
    report_malformed(items)
    list_problems(read.problems, len(read.problems), "answers passed over")
    if read.unlabeled:
        say(f"{items.unit}s without a label passed over: {read.unlabeled:,}")
