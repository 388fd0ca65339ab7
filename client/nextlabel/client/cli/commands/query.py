"""`nextlabel query`: which items are worth a label next."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextlabel.client.cli.options import ProjectArgument, SeedOption, StrategyOption, StrategyParamOption, key_values
from nextlabel.client.cli.output.forms import Output, OutputOption, TableColumns, emit_many
from nextlabel.client.cli.output.patience import being_picked
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.v1.pool_pb2 import Item

EPILOG = (
    "Examples: nextlabel query news --count 20 --strategy margin;  "
    "nextlabel query news --lease-to ann --output jsonl > todo.jsonl"
)


_PICKS: TableColumns = {
    "ITEM": lambda p: p["item_id"],
    "SCORE": lambda p: None if p["score"] is None else f"{p['score']:.4f}",
    "AUDIT": lambda p: "yes" if p["audit"] else None,
    "WHY": lambda p: p["reason"],
}
_LEASED: TableColumns = {
    "ITEM": lambda p: p["item_id"],
    "TEXT": lambda p: " | ".join(filter(None, (p["text"], *p.get("pair", {}).values()))),
    "WHY": lambda p: p["reason"],
}


def query(
    ctx: typer.Context,
    project: ProjectArgument,
    count: Annotated[int, typer.Option(min=1, help="How many items.")] = 20,
    strategy: StrategyOption = "",
    strategy_param: StrategyParamOption = None,
    seed: SeedOption = 0,
    lease_to: Annotated[
        str | None,
        typer.Option("--lease-to", metavar="ANNOTATOR", help="Lease the next items to this annotator."),
    ] = None,
    ttl: Annotated[float | None, typer.Option(metavar="SECONDS", help="How long the lease lasts.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the items that are worth a label next, best first."""
    with session(ctx).connect() as client:
        if lease_to is not None:
            leased = _lease(client, project, lease_to, count, ttl)
            emit_many(leased, _LEASED, output, none=f"nothing is left to label for {lease_to}")
            return
        from nextlabel.client.messages.plain import plain

        batch = client.labeling.select(
            project, count, strategy=strategy, strategy_params=key_values(strategy_param), seed=seed
        )
        none = "" if batch.picks else _nothing_picked(client, project)
        emit_many([plain(pick) for pick in batch.picks], _PICKS, output, none=none)


def _nothing_picked(client: "Client", project: str) -> str:
    waiting = client.pool.status(project).counts.awaiting_embedding
    if waiting:
        return f"nothing can be picked yet: {waiting:,} items wait for their embeddings; try again in a moment"
    return "nothing is left to pick"


def _lease(client: "Client", project: str, annotator: str, count: int, ttl_s: float | None) -> list[dict[str, Any]]:
    with being_picked():
        lease = client.labeling.lease(project, annotator=annotator, count=count, ttl_s=ttl_s)
    if lease.items:
        say(f"lease {lease.lease_id} until {lease.expire_time.ToJsonString()}")
    return [
        {
            "item_id": leased.item.id,
            **_shown(leased.item),
            "reason": leased.pick.reason,
            "lease_id": lease.lease_id,
        }
        for leased in lease.items
    ]


def _shown(item: "Item") -> dict[str, Any]:
    """Return what an annotator needs of an item: its text, and its pair and metadata where it has some."""
    from nextlabel.client.messages.plain import plain

    found = plain(item)
    return {"text": item.text} | {name: found[name] for name in ("pair", "metadata") if item.HasField(name)}
