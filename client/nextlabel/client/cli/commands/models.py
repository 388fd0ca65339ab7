"""`nextlabel models`: the model versions of a project."""

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.advice import advice_line
from nextlabel.client.cli.output.filters import filters_line
from nextlabel.client.cli.output.forms import Output, OutputOption, Record, TableColumns, emit_many
from nextlabel.client.cli.session import session
from nextlabel.client.messages.amounts import percent, share_or_none
from nextlabel.client.messages.measures import ERROR, known_macro_f1, shown_measure

EPILOG = "Example: nextlabel models news --output jsonl"


def _macro_f1(evaluation: Record) -> str | None:
    return share_or_none(known_macro_f1(evaluation["macro_f1"], evaluation["measures"]))


def _error(evaluation: Record) -> str | None:
    measures = evaluation["measures"]
    return shown_measure(ERROR, measures[ERROR]) if ERROR in measures else None


_COLUMNS: TableColumns = {
    "VERSION": lambda m: m["version"],
    "LABELS": lambda m: m["labels"],
    "LEARNER": lambda m: m["description"],
    "ACCURACY": lambda m: percent(m["evaluation"]["accuracy"]) if m["evaluation"] else None,
    "MACRO-F1": lambda m: _macro_f1(m["evaluation"]) if m["evaluation"] else None,
    "ERROR": lambda m: _error(m["evaluation"]) if m["evaluation"] else None,
    "LEFT OUT": lambda m: filters_line(m["filters"]),
    "ADVICE": lambda m: advice_line(m["advice"]),
    "RUN": lambda m: m["run"] or None,
    "TRAINED": lambda m: m["create_time"],
}


def models(ctx: typer.Context, project: ProjectArgument, output: OutputOption = Output.TABLE) -> None:
    """List the model versions, newest first: how good each is, and what annotators' advice is worth to it."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        emit_many(
            (plain(version) for version in client.learner.versions(project)),
            _COLUMNS,
            output,
            none=f"there is no model yet; once there are labels: nextlabel train {project}",
        )
