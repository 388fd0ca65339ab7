"""`nextlabel tune-local`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextlabel.server.cli.errors import reported

if TYPE_CHECKING:
    from nextlabel.server.tuning.examples import TuningData
    from nextlabel.server.tuning.model_folders import TunedModel


@reported
def tune_local(
    ctx: typer.Context,
    project: Annotated[str, typer.Argument(help="Name of the project.")],
    base: Annotated[
        str, typer.Option(metavar="MODEL", help="Model to tune: a folder, or the id of one on the Hugging Face hub.")
    ],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the versions; each is a folder in it.")],
    form: Annotated[
        str,
        typer.Option(help="sft (answers), dpo (people's answers rather than LLMs') or rationale (with reasons)."),
    ] = "sft",
    method: Annotated[
        str, typer.Option(help="lora (small matrices beside the weights; extra `tune`) or full (all weights).")
    ] = "lora",
    epochs: Annotated[int, typer.Option(help="Times that each answer is seen.")] = 3,
    batch_size: Annotated[int, typer.Option(help="Answers in a step.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="The highest; it falls to 0.")] = 2e-4,
    seed: Annotated[int, typer.Option(help="Of the order of answers.")] = 0,
    judged_by: Annotated[
        str, typer.Option(help="Project in which candidate texts are judged: only the best of each item is learned.")
    ] = "",
) -> None:
    """Tune a small LLM on a project's answers, and measure it on gold.

    Nothing that says the same as a holdout or gold item is learned. A command that was cut off goes on, given again,
    where it was. Serve a version with `nextlabel local-llm --model FOLDER/v0001`.

    Example: nextlabel tune-local news --base ./smollm2 --to ./news-model
    """
    from nextlabel.client.cli.output.progress import progress_bar
    from nextlabel.client.cli.session import session
    from nextlabel.server.tuning.examples import Form
    from nextlabel.server.tuning.model_folders import ModelFolders
    from nextlabel.server.tuning.project_answers import ProjectAnswers
    from nextlabel.server.tuning.training import Method, TuningSettings
    from nextlabel.server.tuning.tune import Told, Tuning, tune

    settings = TuningSettings(
        method=_one_of(Method, method, "method"),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
    )
    chosen = _one_of(Form, form, "form")
    with session(ctx).connect() as client:
        answers = ProjectAnswers(client, project)
        gold = answers.gold()
        tuning = Tuning(
            project=project,
            task=answers.task(),
            base=base,
            form=chosen,
            records=list(answers.records(chosen, judged_by)),
            gold=gold,
            evaluating=[*(item.text for item in gold), *answers.holdout()],
            settings=settings,
        )
    with progress_bar("tuning") as advance:
        told = Told(
            step=lambda done, of, loss: advance(f"step {done:,} of {of:,}, loss {loss:.3f}", done / of),
            gold=lambda done, of: advance(f"gold item {done:,} of {of:,}", done / of),
            data=_data,
        )
        found = tune(tuning, ModelFolders(to), told)
    for line in summary(found.manifest):
        typer.echo(line)
    typer.echo(f"wrote {found.name} to {found.folder}")
    typer.echo(how_served(found))


def how_served(found: TunedModel) -> str:
    """Return how runs may ask a version, or why they should not."""
    from nextlabel.server.tuning.serving import check_served
    from nextlabel.server.values.errors import FailedPrecondition

    try:
        check_served(found, untested=False)
    except FailedPrecondition as refused:
        return refused.message
    return f"serve it with: nextlabel local-llm --model {found.folder}"


def summary(manifest: Any) -> list[str]:
    """Return what is told of a version: whether it is better than the one before, or why nobody knows."""
    gold = manifest["gold"]
    if gold is None:
        return ["not measured: the project has no gold items, or asks for written texts, which judges compare"]
    found, before, gain = gold["accuracy"], gold["before"], gold["gain"]
    lines = [f"right about gold: {_share(found)} of {found['items']:,} items"]
    if gain is not None:
        verdict = "better" if gain["low"] > 0 else "worse" if gain["high"] < 0 else "not told apart"
        lines.append(
            f"{manifest['predecessor']} before it: {_share(before)}; difference {gain['value']:+.1%} "
            f"({gain['low']:+.1%} to {gain['high']:+.1%}): {verdict}"
        )
    return lines


def _share(one: Any) -> str:
    return f"{one['value']:.1%} ({one['low']:.1%} to {one['high']:.1%})"


def _one_of(kind: Any, name: str, option: str) -> Any:
    from nextlabel.server.values.errors import InvalidArgument

    try:
        return kind(name)
    except ValueError as error:
        raise InvalidArgument.field(option, f"{name!r} is none of {', '.join(kind)}") from error


def _data(data: TuningData) -> None:
    left_out = f"; {data.contaminated:,} left out as copies of holdout or gold" if data.contaminated else ""
    typer.echo(f"{len(data.examples):,} answers to learn{left_out}", err=True)
