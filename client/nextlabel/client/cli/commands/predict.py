"""`nextlabel predict`: label a file with the learner."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextlabel.client.cli.item_files import (
    EncodingOption,
    FileArgument,
    FormatOption,
    IdOption,
    TextOption,
    chosen_columns,
    open_items,
)
from nextlabel.client.cli.known_labels import row_ids
from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, TableColumns, emit_many, percent
from nextlabel.client.cli.problems import FAILED, list_problems
from nextlabel.client.cli.session import session
from nextlabel.client.readers.file import ItemFile

if TYPE_CHECKING:
    from nextlabel.client import Client

EPILOG = "Example: nextlabel predict news new.csv --text body --output jsonl"


_COLUMNS: TableColumns = {
    "ID": lambda p: p["id"],
    "LABEL": lambda p: p["label"],
    "PROBABILITY": lambda p: percent(p["probability"]),
}


def predict(
    ctx: typer.Context,
    project: ProjectArgument,
    file: FileArgument,
    text: TextOption = None,
    id_column: IdOption = None,
    file_format: FormatOption = None,
    encoding: EncodingOption = "utf-8",
    candidates: Annotated[
        int, typer.Option(min=0, help="How many classes to give with their probabilities, best first.")
    ] = 0,
    model_version: Annotated[int, typer.Option(min=0, help="Model version. (default: the newest)")] = 0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Predict the labels of the texts in a file: one result for each, in order."""
    items = open_items(file, chosen_columns(text=text, id_column=id_column), file_format, encoding)
    missing: list[int] = []
    with session(ctx).connect() as client:
        emit_many(_predictions(client, project, items, missing, candidates, model_version), _COLUMNS, output)
    list_problems((f"line {p.line}: {p.message}" for p in items.problems), items.problem_count, "malformed lines")
    list_problems((f"line {number}: it has no text" for number in missing), len(missing), "lines passed over")
    raise typer.Exit(FAILED if items.problem_count or missing else 0)


def _predictions(
    client: "Client", project: str, items: ItemFile, missing: list[int], candidates: int, model_version: int
) -> Iterator[dict[str, Any]]:
    from nextlabel.client.messages.plain import plain

    ids: deque[str] = deque()

    def texts() -> Iterator[str]:
        for rows in items.blocks():
            for number, item_id, text in zip(rows.numbers, row_ids(rows), rows.texts, strict=True):
                if isinstance(text, str) and text:
                    ids.append(item_id)
                    yield text
                else:
                    missing.append(number)

    predicted = client.learner.predict_stream(project, texts(), candidates=candidates, model_version=model_version)
    for prediction in predicted:
        record = {"id": ids.popleft(), "label": prediction.label, "probability": prediction.probability}
        if candidates:
            record["candidates"] = [plain(candidate) for candidate in prediction.candidates]
        yield record
