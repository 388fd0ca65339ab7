"""One command from a file to a labeled file, with a server of its own underneath."""
