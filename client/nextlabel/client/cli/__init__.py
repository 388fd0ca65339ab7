"""The command line: `nextlabel`."""

from nextlabel.client.cli.main import main as main
