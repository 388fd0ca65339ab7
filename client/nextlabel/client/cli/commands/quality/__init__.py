"""`nextlabel quality`: whether labels and models can be trusted, and which labels are left out."""

from nextlabel.client.cli.commands.quality.command import app as app
