"""`nextlabel tune-encoder`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.server.cli.errors import reported

if TYPE_CHECKING:
    from nextlabel.server.assessment.agreement.paired_accuracy import PairedAccuracy
    from nextlabel.server.assessment.intervals import Estimate


@reported
def tune_encoder(
    ctx: typer.Context,
    project: Annotated[str, typer.Argument(help="Name of the project, one of single labels.")],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the versions; each is a folder in it.")],
    base: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Encoder to tune: a folder, or its name. (default: that of the version before, else the project's)",
        ),
    ] = "",
    steps: Annotated[int, typer.Option(min=1, help="Batches of texts.")] = 100,
    batch_size: Annotated[int, typer.Option(min=6, help="Texts in a batch.")] = 24,
    learning_rate: Annotated[float, typer.Option(min=0, help="Of the first step; it falls to 0.")] = 2e-5,
    seed: Annotated[int, typer.Option(help="Of the order of texts.")] = 0,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Write a version also where validation does not speak for it.")
    ] = False,
) -> None:
    """Tune the encoder of a project on its labels, where validation says that it helps.

    The learner is compared over both encoders on labels that neither has seen: four times the work of one tuning, a
    minute each on a processor for short texts. Nothing that says the same as a holdout or gold item is learned. A
    server goes on with its encoder until you have the new one take over.

    Example: nextlabel tune-encoder news --to ./news-encoder
    """
    from nextlabel.client.cli.output.progress import progress_bar
    from nextlabel.client.cli.session import session
    from nextlabel.client.messages.plain import plain
    from nextlabel.server.learners.specification import parse_learner_spec
    from nextlabel.server.tuning.encoders.labeled_texts import read
    from nextlabel.server.tuning.encoders.training import EncoderSettings
    from nextlabel.server.tuning.encoders.tune import EncoderProgress, EncoderTuning, tune_encoder
    from nextlabel.server.tuning.encoders.validation import FOLDS
    from nextlabel.server.tuning.model_folders import ModelFolders
    from nextlabel.server.tuning.project_answers import ProjectAnswers

    # Projects know an encoder by the name of its folder.
    folders = ModelFolders(to, f"{project}-encoder-")
    settings = EncoderSettings(steps, batch_size, learning_rate, seed)
    with session(ctx).connect() as client:
        about = client.projects.get(project)
        data = read(ProjectAnswers(client, project), seed)
    if data.contaminated:
        typer.echo(f"{data.contaminated:,} labels left out as copies of holdout or gold", err=True)
    before = folders.latest()
    tuning = EncoderTuning(
        project=project,
        base=base or (str(before.manifest["base"]) if before else about.embedding.model),
        data=data,
        spec=parse_learner_spec(about.learner.estimator, plain(about.learner)["params"] or {}),
        settings=settings,
        anyway=anyway,
    )
    with progress_bar("validating") as advance:
        told = EncoderProgress(
            fold=lambda done: advance(f"fold {done} of {FOLDS}", done / (FOLDS + 1)),
            step=lambda done: advance(f"step {done} of {steps}", (FOLDS + done / steps) / (FOLDS + 1)),
        )
        found, version = tune_encoder(tuning, folders, told)
    typer.echo(verdict(found))
    if version is None:
        typer.echo("nothing was written: the gain does not exceed its standard error (--anyway writes it all the same)")
        return
    typer.echo(f"wrote {version.folder}")
    typer.echo("to use it, add the folder to embedding.models of the server, start that anew, and")
    typer.echo(f"  nextlabel project re-embed {project} --model {version.folder.name}")


def verdict(found: PairedAccuracy) -> str:
    """Return how often the learner is right over both encoders."""
    gain = found.difference
    return (
        f"right about {found.items:,} labels that were held out: {_share(found.of_first)} over the encoder as it is, "
        f"{_share(found.of_second)} tuned; difference {gain.value:+.1%} ({gain.low:+.1%} to {gain.high:+.1%})"
    )


def _share(one: Estimate) -> str:
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"
