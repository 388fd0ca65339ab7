"""`python -m nextlabel`, the same as `nextlabel`."""

from nextlabel.client.cli.main import main

main()
