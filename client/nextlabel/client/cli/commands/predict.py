"""`nextlabel predict`: label a file with the learner."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextlabel.client.cli.files.adding import report_malformed
from nextlabel.client.cli.files.answers import row_id
from nextlabel.client.cli.files.reading import FileArgument, IdOption, Reading, TextOption, chosen_columns, reads_files
from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, TableColumns, emit_many
from nextlabel.client.cli.problems import FAILED, list_problems
from nextlabel.client.cli.session import session
from nextlabel.client.messages.amounts import share_or_none, usd
from nextlabel.client.messages.chunks import MAX_ELEMENTS, chunks
from nextlabel.client.readers.file import ItemFile
from nextlabel.client.row_checks import RowError, checked_text

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.v1.learner_service_pb2 import Prediction

EPILOG = "Example: nextlabel predict news new.csv --text body --output jsonl"


def _shown(label: str | list[str] | float) -> str:
    if isinstance(label, list):
        return ", ".join(label)
    return label if isinstance(label, str) else f"{label:.3g}"


_COLUMNS: TableColumns = {
    "ID": lambda p: p["id"],
    "LABEL": lambda p: _shown(p["label"]),
    "PROBABILITY": lambda p: share_or_none(p["probability"]),
    "95% WITHIN": lambda p: "{low:.3g} to {high:.3g}".format(**p["interval"]) if "interval" in p else None,
}
_BY: TableColumns = {"BY": lambda p: p["source"]}
_MOST_ASKED = 200
_REFUSED_TEXT = re.compile(r"input\.texts\.texts\[(\d+)\]")


@reads_files
def predict(
    ctx: typer.Context,
    project: ProjectArgument,
    file: FileArgument,
    text: TextOption = None,
    id_column: IdOption = None,
    candidates: Annotated[
        int, typer.Option(min=0, help="How many classes to give with their probabilities, best first.")
    ] = 0,
    model_version: Annotated[int, typer.Option(min=0, help="Model version. (default: the newest)")] = 0,
    ask_advisors: Annotated[
        bool,
        typer.Option(
            "--ask-advisors",
            help="Ask those whose advice the learner hears, as in their last run, within the project's budgets.",
        ),
    ] = False,
    output: OutputOption = Output.TABLE,
    *,
    reading: Reading,
) -> None:
    """Predict the labels of the texts in a file: one result for each, in order."""
    items = reading.open(file, chosen_columns(text=text, id_column=id_column))
    problems: list[str] = []
    with session(ctx).connect() as client:
        learner = _Learner(client, project, candidates, model_version, ask_advisors)
        emit_many(_predictions(learner, items, problems), {**_COLUMNS, **(_BY if ask_advisors else {})}, output)
    report_malformed(items)
    learner.report_advice()
    list_problems(problems, len(problems), f"{items.unit}s passed over")
    raise typer.Exit(FAILED if items.problem_count or problems else 0)


@dataclass(frozen=True, slots=True)
class _Row:
    """A text of the file."""

    number: int
    item_id: str
    text: str


@dataclass(slots=True)
class _Learner:
    """The learner of a project; the model version of its first answer gives all others."""

    client: "Client"
    project: str
    candidates: int
    model_version: int
    ask_advisors: bool
    asked: int = 0
    micro_usd: int = 0
    without_advice: set[str] = field(default_factory=set)

    def predict(self, rows: list[_Row]) -> "Sequence[Prediction]":
        from nextlabel.client.transport.connection import LONG_CALL_S

        texts = [row.text for row in rows]
        if not self.ask_advisors:
            response = self.client.learner.predict(
                self.project,
                texts,
                candidates=self.candidates,
                model_version=self.model_version,
                timeout_s=LONG_CALL_S,
            )
            self.model_version = response.model_version
            return response.predictions
        advised = self.client.learner.predict_with_advice(
            self.project, texts, candidates=self.candidates, model_version=self.model_version
        )
        self.model_version = advised.model_version
        self.asked += advised.asked
        self.micro_usd += advised.cost.micro_usd
        self.without_advice |= {advised.problem} - {""}
        return advised.predictions

    def report_advice(self) -> None:
        """Say what was asked, and why some texts are predicted without advice."""
        if self.ask_advisors:
            paid = f"{usd(self.micro_usd)}; what was asked before is not paid again"
            typer.echo(f"advisors gave {self.asked:,} answers, worth {paid}", err=True)
        for problem in sorted(self.without_advice):
            typer.echo(f"predicted by the learner alone where advice is missing: {problem}", err=True)


def _predictions(learner: _Learner, items: ItemFile, problems: list[str]) -> Iterator[dict[str, Any]]:
    from nextlabel.client.messages.enums import enum_name
    from nextlabel.client.messages.plain import plain

    most = _MOST_ASKED if learner.ask_advisors else MAX_ELEMENTS
    for rows in chunks(_usable(items, problems), lambda row: 4 * len(row.text), most):
        for row, prediction in _predicted(learner, rows, items.unit, problems):
            label = plain(prediction.answer) if prediction.HasField("answer") else prediction.label
            record = {"id": row.item_id, "label": label, "probability": _probability(prediction)}
            if prediction.HasField("interval"):
                record["interval"] = plain(prediction.interval)
            if learner.ask_advisors:
                record["source"] = enum_name(prediction, "source")
            if learner.candidates:
                record["candidates"] = [plain(candidate) for candidate in prediction.candidates]
            yield record


def _probability(prediction: "Prediction") -> float | None:
    if prediction.HasField("answer_probability"):
        return prediction.answer_probability
    return None if prediction.HasField("interval") else prediction.probability


def _usable(items: ItemFile, problems: list[str]) -> Iterator[_Row]:
    for rows in items.blocks():
        for i, number in enumerate(rows.numbers):
            try:
                yield _Row(number, row_id(rows, i), checked_text(rows.texts[i]))
            except RowError as error:
                problems.append(f"{items.unit} {number}: {error}")


def _predicted(
    learner: _Learner, rows: list[_Row], unit: str, problems: list[str]
) -> "Iterator[tuple[_Row, Prediction]]":
    """Each row with its prediction; one that the service refuses is a problem, and the others are asked again."""
    from nextlabel.client.errors import NextlabelError

    while rows:
        try:
            yield from zip(rows, learner.predict(rows), strict=True)
            return
        except NextlabelError as error:
            refused = [(int(found[1]), v) for v in error.violations if (found := _REFUSED_TEXT.match(v.field))]
            if not refused:
                raise
            problems += [f"{unit} {rows[i].number}, item {rows[i].item_id}: {v.description}" for i, v in refused]
            rows = [row for i, row in enumerate(rows) if i not in dict(refused)]
