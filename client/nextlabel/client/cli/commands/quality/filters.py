"""`nextlabel quality filters`: rules with names, whose labels are left out of training and exports."""

from typing import Annotated, Any

import typer

from nextlabel.client.cli.limits import first_of
from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, TableColumns, emit_many, emit_one
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session

app = typer.Typer(help="Set, list and remove rules whose labels are left out.", no_args_is_help=True)

_FILTERS: TableColumns = {
    "FILTER": lambda f: f["name"],
    "RULE": lambda f: f["rule"],
    "ENABLED": lambda f: "yes" if f["enabled"] else "no",
    "LEAVES OUT": lambda f: f["labels"],
    "CHANGED BY": lambda f: f["changed_by"] or None,
    "CHANGED": lambda f: f["change_time"],
}

_FILTERED: TableColumns = {
    "ITEM": lambda f: f["item_id"],
    "LABEL": lambda f: f["label"],
    "WHY": lambda f: "; ".join(f"{reason['filter']}: {reason['why']}" for reason in f["reasons"]),
}

_KEPT: TableColumns = {
    "ITEM": lambda k: k["item_id"],
    "KEPT BY": lambda k: k["kept_by"] or None,
    "KEPT": lambda k: k["keep_time"],
}

NameArgument = Annotated[str, typer.Argument(help="Name of the filter.")]
LimitOption = Annotated[int, typer.Option(min=1, help="Most entries to show.")]


@app.command(epilog="Example: nextlabel quality filters add news doubted 'not trusted and wrong_probability > 0.9'")
def add(
    ctx: typer.Context,
    project: ProjectArgument,
    name: NameArgument,
    rule: Annotated[str, typer.Argument(help="What the labels have in common: see `nextlabel quality filter`.")],
    disabled: Annotated[bool, typer.Option("--disabled", help="Leave out nothing for now.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Give a rule a name: the next training and exports leave out what it names. A filter of that name is changed."""
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        done = client.quality.set_filter(project, name, rule, enabled=not disabled)
    emit_one(plain(done.filter), output)
    out = "would leave" if disabled else "leaves"
    say(f"{name} {out} out {done.hits:,} of {done.labels:,} labels")


@app.command("list", epilog="Example: nextlabel quality filters list news")
def list_filters(ctx: typer.Context, project: ProjectArgument, output: OutputOption = Output.TABLE) -> None:
    """List the filters and how many labels each enabled one leaves out now."""
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        found = [plain(one) for one in client.quality.filters(project)]
        enabled = any(one["enabled"] for one in found)
        counts = {one.filter: one.labels for one in client.quality.filter_counts(project)} if enabled else {}
    emit_many(
        ({**one, "labels": counts.get(one["name"])} for one in found),
        _FILTERS,
        output,
        none="there are no filters yet: nextlabel quality filters add --help",
    )


@app.command(epilog="Example: nextlabel quality filters disable news doubted")
def disable(ctx: typer.Context, project: ProjectArgument, name: NameArgument) -> None:
    """Have a filter leave out nothing for now."""
    _switch(ctx, project, name, enabled=False)


@app.command(epilog="Example: nextlabel quality filters enable news doubted")
def enable(ctx: typer.Context, project: ProjectArgument, name: NameArgument) -> None:
    """Have a filter leave out what its rule names again."""
    _switch(ctx, project, name, enabled=True)


@app.command(epilog="Example: nextlabel quality filters remove news doubted")
def remove(ctx: typer.Context, project: ProjectArgument, name: NameArgument) -> None:
    """Remove a filter: what it left out is in use again."""
    with session(ctx).connect() as client:
        client.quality.remove_filter(project, name)
    say(f"removed {name}")


def filtered(
    ctx: typer.Context, project: ProjectArgument, limit: LimitOption = 100, output: OutputOption = Output.TABLE
) -> None:
    """List the labels that the enabled filters leave out now, and why."""
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        hidden = first_of(map(plain, client.quality.filtered(project)), limit)
        emit_many(hidden, _FILTERED, output, none="no label is left out")


def keep(
    ctx: typer.Context,
    project: ProjectArgument,
    item_ids: Annotated[list[str], typer.Argument(help="Ids of items.")],
    release: Annotated[bool, typer.Option("--release", help="Leave them to the filters again.")] = False,
) -> None:
    """Bring items back: their labels stay in use in spite of all filters. Who decided so, and when, is kept.

    Exit code 1 when an id is that of no item.
    """
    with session(ctx).connect() as client:
        done: Any = client.quality.keep(project, item_ids, release=release)
    say(f"{'left to the filters' if release else 'kept'}: {done.items:,} item{'' if done.items == 1 else 's'}")
    if done.unknown_item_ids:
        say(f"no item has the id: {', '.join(done.unknown_item_ids)}")
        raise typer.Exit(1)


def kept(
    ctx: typer.Context, project: ProjectArgument, limit: LimitOption = 100, output: OutputOption = Output.TABLE
) -> None:
    """List the items that are kept in spite of filters, and who decided so."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        back = first_of(map(plain, client.quality.kept(project)), limit)
        emit_many(back, _KEPT, output, none="no item was brought back")


def _switch(ctx: typer.Context, project: str, name: str, *, enabled: bool) -> None:
    with session(ctx).connect() as client:
        client.quality.set_filter(project, name, enabled=enabled)
    say(f"{name} is {'enabled' if enabled else 'disabled'}")
