"""`nextlabel project`: create, list, show, update and delete projects."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextlabel.client.cli import label_spaces
from nextlabel.client.cli.files.adding import add_file, report_untaken, wait_until_embedded
from nextlabel.client.cli.files.reading import (
    IdOption,
    LabelOption,
    MetadataOption,
    PairOption,
    Reading,
    TextOption,
    chosen_columns,
    reads_files,
)
from nextlabel.client.cli.label_spaces import (
    GuidelinesOption,
    LabelsFileOption,
    LabelsOption,
    PathsOption,
    ScoreRangeOption,
    TypeOption,
    codebook,
    named_classes,
)
from nextlabel.client.cli.options import (
    ConsensusOption,
    EstimatorParamOption,
    GoldShareOption,
    OverlapOption,
    StrategyOption,
    StrategyParamOption,
    key_values,
    listing,
)
from nextlabel.client.cli.output.forms import Output, OutputOption, TableColumns, emit_many, emit_one
from nextlabel.client.cli.output.patience import patience
from nextlabel.client.cli.output.progress import progress_bar
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.client.readers.file import ItemFile

app = typer.Typer(help="Create, list, show, update and delete projects.", no_args_is_help=True)

POLL_S = 1.0
"""Seconds between two looks at how far a model is that takes over."""


_COLUMNS: TableColumns = {
    "NAME": lambda p: p["name"],
    "TYPE": lambda p: p["annotation_type"],
    "CLASSES": lambda p: len(p["label_space"]["classes"]) if p["label_space"] else None,
    "POOL": lambda p: p["counts"]["pool"] if p["counts"] else None,
    "LABELED": lambda p: p["counts"]["labeled"] if p["counts"] else None,
    "HOLDOUT": lambda p: p["counts"]["holdout"] if p["counts"] else None,
    "MODEL": lambda p: p["model_version"] or None,
}


@app.command(
    epilog="Example: nextlabel project create news --labels sports,politics --guidelines codebook.md "
    "--holdout test.jsonl.gz"
)
@reads_files
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, . _ and -.")],
    labels: LabelsOption = "",
    labels_file: LabelsFileOption = None,
    paths: PathsOption = False,
    annotation_type: TypeOption = "single_label",
    score_range: ScoreRangeOption = "",
    guidelines: GuidelinesOption = None,
    holdout: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Labeled items that only evaluate; columns: --text, --id, …"),
    ] = None,
    text: TextOption = None,
    id_column: IdOption = None,
    label: LabelOption = None,
    metadata: MetadataOption = "",
    pair: PairOption = "",
    embedding_model: Annotated[
        str, typer.Option(help="One of the embedding models of the server. (default: its first)")
    ] = "",
    dimension: Annotated[int, typer.Option(help="Every item comes with an embedding of this many numbers.", min=0)] = 0,
    estimator: Annotated[str, typer.Option(help="Estimator of the learner. (default: the server's)")] = "",
    estimator_param: EstimatorParamOption = None,
    strategy: StrategyOption = "",
    strategy_param: StrategyParamOption = None,
    overlap: OverlapOption = 1,
    audit_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of each batch drawn uniformly at random.")
    ] = 0.0,
    show_suggestions: Annotated[
        bool, typer.Option("--show-suggestions", help="Show people what an LLM or the learner suggests.")
    ] = False,
    gold_share: GoldShareOption = None,
    consensus: ConsensusOption = None,
    output: OutputOption = Output.TABLE,
    *,
    reading: Reading,
) -> None:
    """Create a project, and upload its holdout."""
    columns = chosen_columns(text=text, id_column=id_column, label=label, metadata=metadata, pair=pair, labeled=True)
    held_out = None if holdout is None else reading.open(holdout, columns)
    code = 0
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        classes = named_classes(labels, labels_file)
        with patience("the server makes ready; for its first project it loads the embedding model …"):
            project = client.projects.create(
                name,
                labels=classes,
                paths=paths,
                annotation_type=annotation_type,
                score_range=label_spaces.score_range(score_range),
                guidelines=codebook(guidelines),
                embedding_model=embedding_model,
                embeddings_given=dimension > 0,
                dimension=dimension,
                estimator=estimator,
                estimator_params=key_values(estimator_param),
                strategy=strategy,
                strategy_params=key_values(strategy_param),
                overlap=overlap,
                audit_share=audit_share,
                show_suggestions=show_suggestions,
                gold_share=gold_share or 0.0,
                consensus=consensus or "",
            )
        say(f"created project {name}")
        if held_out is not None:
            code = _add_holdout(client, name, held_out)
            project = client.projects.get(name)
        _show(plain(project), output)
    raise typer.Exit(code)


def _add_holdout(client: "Client", name: str, held_out: "ItemFile") -> int:
    """Upload the holdout of a project that was just created; returns the exit code.

    When nothing of it can be used, the project goes again, so that the command can be repeated.
    """
    try:
        result = add_file(client, name, held_out, split="holdout")
        if not result.accepted:
            report_untaken(held_out, [result])
            raise ValueError("the holdout has no item that could be used")
    except BaseException:
        client.projects.delete(name)
        say(f"project {name} was not kept, as its holdout could not be added")
        raise
    wait_until_embedded(client, name)
    return report_untaken(held_out, [result])


@app.command("list", epilog="Example: nextlabel project list --output jsonl")
def list_projects(ctx: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """List the projects that you may see."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        emit_many(
            (plain(project) for project in client.projects.list()),
            _COLUMNS,
            output,
            none="there are no projects yet: nextlabel project create NAME --labels one,two",
        )


@app.command(epilog="Example: nextlabel project show news")
def show(ctx: typer.Context, name: str, output: OutputOption = Output.TABLE) -> None:
    """Show a project with its settings and counts."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        _show(plain(client.projects.get(name)), output)


@app.command(epilog="Example: nextlabel project update news --add-labels science --overlap 2")
def update(
    ctx: typer.Context,
    name: str,
    add_labels: Annotated[
        str, typer.Option(metavar="D,E", help="Classes to append; classes are never removed or renamed.")
    ] = "",
    labels_file: Annotated[
        Path | None,
        typer.Option(help="All classes, described anew, as a file that `project create` takes; new ones at the end."),
    ] = None,
    estimator: Annotated[str | None, typer.Option(help="Estimator of the learner.")] = None,
    estimator_param: EstimatorParamOption = None,
    strategy: Annotated[str | None, typer.Option(help="Default strategy.")] = None,
    strategy_param: StrategyParamOption = None,
    overlap: Annotated[int | None, typer.Option(min=1, help="Annotators for each item.")] = None,
    lease_ttl: Annotated[float | None, typer.Option(metavar="SECONDS", help="How long a lease lasts.")] = None,
    audit_share: Annotated[float | None, typer.Option(min=0, max=1, help="Share drawn at random.")] = None,
    show_suggestions: Annotated[bool | None, typer.Option(help="Whether people see suggestions.")] = None,
    gold_share: GoldShareOption = None,
    consensus: ConsensusOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Change what is given and leave the rest."""
    changes = (estimator, strategy, overlap, lease_ttl, audit_share, show_suggestions, gold_share, consensus)
    if add_labels and labels_file:
        raise typer.BadParameter("give --add-labels or --labels-file, not both")
    if not any((add_labels, labels_file, estimator_param, strategy_param)) and all(one is None for one in changes):
        raise typer.BadParameter("give at least one thing to change; see nextlabel project update --help")
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        labels = named_classes("", labels_file) if labels_file else None
        if add_labels:
            labels = [*client.projects.get(name).label_space.classes, *named_classes(add_labels, None)]
        project = client.projects.update(
            name,
            labels=labels,
            estimator=estimator,
            estimator_params=key_values(estimator_param),
            strategy=strategy,
            strategy_params=key_values(strategy_param),
            overlap=overlap,
            lease_ttl_s=lease_ttl,
            audit_share=audit_share,
            show_suggestions=show_suggestions,
            gold_share=gold_share,
            consensus=consensus,
        )
        _show(plain(project), output)


@app.command(epilog="Example: nextlabel project re-embed news --model multilingual-e5-small --wait")
def re_embed(
    ctx: typer.Context,
    name: str,
    model: Annotated[str, typer.Option(help="The embedding model of the server that takes over.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has taken over.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Give up what is under way.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Have another embedding model, or other weights of the same, take over a project: all items are embedded anew.

    The embeddings that were there serve meanwhile.
    """
    if bool(model) == cancel or (wait and cancel):
        raise typer.BadParameter("give --model NAME, with --wait to stay until it has taken over, or --cancel")
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        found = client.projects.cancel_re_embedding(name) if cancel else client.projects.re_embed(name, model)
        if wait:
            _wait_until_taken_over(client, name)
            _show(plain(client.projects.get(name)), output)
            return
        emit_one(plain(found), output)
    say("given up" if cancel else f"it takes over once all items are embedded: nextlabel project show {name}")


def _wait_until_taken_over(client: "Client", name: str) -> None:
    with progress_bar("embedding anew") as advance:
        while (project := client.projects.get(name)).HasField("re_embedding"):
            found = project.re_embedding
            advance(f"{found.embedded:,} of {found.items:,}", found.embedded / found.items if found.items else 1.0)
            time.sleep(POLL_S)


@app.command(epilog="Example: nextlabel project delete news --yes")
def delete(
    ctx: typer.Context,
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a project with its items, annotations and models. Its ledger entries stay."""
    if not yes:
        typer.confirm(f"Delete project {name} with all its items, annotations and models?", abort=True, err=True)
    with session(ctx).connect() as client:
        client.projects.delete(name)
    say(f"deleted project {name}")


def _taking_over(found: dict[str, Any] | None) -> str | None:
    return f"{found['model']}: {found['embedded']:,} of {found['items']:,} items" if found else None


def _embedding(found: dict[str, Any]) -> str:
    weights = f", weights {found['fingerprint'][:12]}" if found["fingerprint"] else ""
    return f"{found['model'] or 'given'}{weights}, {found['dimension']} numbers"


def _show(project: dict[str, Any], output: Output) -> None:
    classes = (project["label_space"] or {"classes": []})["classes"]
    counts = project["counts"] or {}
    summaries = {
        "label_space": listing(label_class["name"] for label_class in classes),
        "embedding": _embedding(project["embedding"]),
        "re_embedding": _taking_over(project["re_embedding"]),
        "learner": project["learner"]["estimator"] if project["learner"] else None,
        "default_strategy": project["default_strategy"]["name"] if project["default_strategy"] else None,
        "counts": ", ".join(f"{count:,} {sort}" for sort, count in counts.items() if count and sort != "needs"),
    }
    emit_one(project, output, shown={**project, **summaries})
