"""A group of commands that imports the one that is called, and no other."""

from importlib import import_module
from typing import Any

from typer.core import TyperCommand, TyperGroup

from nextlabel.client.cli.catalogue import OWN, SERVER
from nextlabel.client.cli.extras import offered_command, runnable

SERVER_PANEL = "Commands of the server, which is an extra"


class LazyGroup(TyperGroup):
    """Lists what the catalogue says; what other parts of the distribution offer is found when it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, summary in (OWN | SERVER).items():
            self.add_command(TyperCommand(name, help=summary))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page."""
        from nextlabel.client.cli.front_page import print_front_page

        records = (parameter.get_help_record(ctx) for parameter in self.get_params(ctx))
        options = (record for record in records if record)
        commands = {"Commands": OWN.items(), SERVER_PANEL: SERVER.items()}
        print_front_page(self.get_usage(ctx), self.help or "", options, commands, self.epilog or "")

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The entry of the catalogue, or the command itself when only another part knows it."""
        return super().get_command(ctx, cmd_name) or offered_command(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant, imported, and its arguments."""
        name, found, rest = super().resolve_command(ctx, args)
        if name in OWN:
            found = _own_command(name)
        elif name in SERVER:
            found = offered_command(name)
        return name, found, rest


def _own_command(name: str) -> Any:
    module = import_module(f"nextlabel.client.cli.commands.{name}")
    if hasattr(module, "app"):
        return runnable(name, module.app)
    return runnable(name, getattr(module, name), epilog=module.EPILOG)
