"""`python -m nextlabel.client.cli`, the same as `nextlabel`."""

from nextlabel.client.cli.main import main

main()
