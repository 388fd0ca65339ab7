"""`nextlabel token`: create, list and revoke bearer tokens."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from nextlabel.client.cli.output.forms import Output, OutputOption, TableColumns, emit_many, emit_one
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.literals import RoleName

app = typer.Typer(help="Create, list and revoke bearer tokens.", no_args_is_help=True)


_COLUMNS: TableColumns = {
    "ID": lambda t: t["token_id"],
    "NAME": lambda t: t["name"],
    "ROLE": lambda t: t["role"],
    "PROJECT": lambda t: t["project"] or "(all)",
    "ANSWERS AS": lambda t: ", ".join(t["annotators"]) or "(any name)",
    "EXPIRES": lambda t: t["expire_time"],
    "REVOKED": lambda t: t["revoke_time"],
}


@app.command(epilog="Example: nextlabel token create ci --role producer --project news --days 30")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="For people; it stands in logs.")],
    role: Annotated[RoleName, typer.Option(help="What its bearer may do.")],
    project: Annotated[str, typer.Option(help="Good for this project only.")] = "",
    annotator: Annotated[
        list[str] | None,
        typer.Option(help="A name that its bearer may answer as, `*` for any; by default an annotator's own name."),
    ] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Stops working after this many days.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a token. Its secret is shown once, here."""
    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        created = client.access.create_token(name, role, project=project, expires=expires, annotators=annotator or ())
        record = {**plain(created.token), "secret": created.secret}
    say("keep the secret: it is not shown again")
    emit_one(record, output)


@app.command("list", epilog="Example: nextlabel token list")
def list_tokens(ctx: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """List the tokens, without their secrets."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        emit_many(
            (plain(token) for token in client.access.list_tokens()),
            _COLUMNS,
            output,
            none="there are no tokens yet: nextlabel token create NAME --role annotator",
        )


@app.command(epilog="Example: nextlabel token revoke 5a38f2162a4a4605ac43526f131fc926")
def revoke(
    ctx: typer.Context,
    token_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the token, not its secret.")],
) -> None:
    """Revoke a token at once."""
    with session(ctx).connect() as client:
        from nextlabel.client.errors import NextlabelError

        try:
            client.access.revoke_token(token_id)
        except NextlabelError as error:
            if error.reason != "NOT_FOUND":
                raise
            named = [token.token_id for token in client.access.list_tokens() if token.name == token_id]
            if not named:
                raise
            told = f"no token has this id; tokens of this name have: {', '.join(named)}"
            raise typer.BadParameter(told, param_hint="ID") from None
    say(f"revoked token {token_id}")
