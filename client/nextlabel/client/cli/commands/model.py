"""`nextlabel model`: a trained model as files that predict without nextlabel."""

from pathlib import Path
from typing import Annotated

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.progress import progress_bar
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session

_NOTHING_YET = 1_000_000

app = typer.Typer(help="Take a trained model along: files that predict without nextlabel.", no_args_is_help=True)


@app.command(epilog="Example: nextlabel model export news --out news-model; python news-model/predict.py 'a text'")
def export(
    ctx: typer.Context,
    project: ProjectArgument,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder: new, empty, or of an earlier export.")],
    version: Annotated[int, typer.Option(min=0, help="Model version; 0 for the newest.")] = 0,
    encoder: Annotated[
        bool,
        typer.Option(
            "--encoder/--no-encoder", help="With the model that embeds texts (100 MB or so), or with its name alone."
        ),
    ] = True,
) -> None:
    """Export a model as ONNX with its encoder, a script that predicts, a model card and the datasheet of its labels."""
    from nextlabel.client.export.model import write_model

    with session(ctx).connect() as client, progress_bar("exporting the model") as advance:
        advance(_received(0), None)
        written = write_model(
            client.project(project),
            out,
            version=version,
            encoder=encoder,
            progress=lambda received: advance(_received(received), None),
        )
    model = written.model
    say(
        f"wrote version {model.model_version.version} of {project} to {out}: {', '.join(written.files)} "
        f"({written.size / 1e6:,.1f} MB)"
    )
    if model.encoder_problem:
        say(f"without the encoder: {model.encoder_problem}; predict.py loads it with sentence-transformers")
    if model.model_version.HasField("advice"):
        say("annotators advise on items of this project; the exported model predicts without their advice")


def _received(size: int) -> str:
    """How much has come; the classifier, which comes first, is small, and then the encoder takes its time.

    >>> _received(31_000), _received(2_500_000)
    ('the server gets the files ready, which the first export of an encoder takes longer for', '2.5 MB')
    """
    waiting = "the server gets the files ready, which the first export of an encoder takes longer for"
    return waiting if size < _NOTHING_YET else f"{size / 1e6:,.1f} MB"
