"""`nextlabel label`: answer items in the terminal, or submit answers from a file."""

from nextlabel.client.cli.commands.label.command import EPILOG as EPILOG
from nextlabel.client.cli.commands.label.command import label as label
