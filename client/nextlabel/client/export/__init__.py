"""A project's labels on their way out: one row an item, files for other tools, and what a reader has to know."""
