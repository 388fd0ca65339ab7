"""`nextlabel train`: train the learner now."""

from typing import Annotated

import typer

from nextlabel.client.cli.options import ProjectArgument, SeedOption
from nextlabel.client.cli.output.advice import advice_fields
from nextlabel.client.cli.output.filters import filters_line
from nextlabel.client.cli.output.forms import Output, OutputOption, emit_one
from nextlabel.client.cli.output.patience import patience
from nextlabel.client.cli.session import session
from nextlabel.client.messages.amounts import percent, share_or_none
from nextlabel.client.messages.measures import known_macro_f1, shown_measure

EPILOG = "Example: nextlabel train news"


def train(
    ctx: typer.Context,
    project: ProjectArgument,
    cold: Annotated[bool, typer.Option("--cold", help="Start from nothing instead of the version before.")] = False,
    seed: SeedOption = 0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Train the learner on the labels so far and show the new model version."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        with patience("training; what was just added is embedded first …"):
            trained = client.learner.train(project, cold_start=cold, seed=seed)
        version = plain(trained)
    evaluation = version["evaluation"]
    measures = evaluation["measures"] if evaluation else {}
    shown = {
        "version": version["version"],
        "labels": version["labels"],
        **({"left out": filters_line(version["filters"])} if version["filters"] else {}),
        "learner": version["description"],
        "accuracy": percent(evaluation["accuracy"]) if evaluation else None,
        "macro-F1": share_or_none(known_macro_f1(evaluation["macro_f1"], measures)) if evaluation else None,
        **{name.replace("_", " "): shown_measure(name, value) for name, value in sorted(measures.items())},
        "seconds": f"{version['train_seconds']:.2f}",
        **advice_fields(version["advice"]),
    }
    emit_one(version, output, shown=shown)
