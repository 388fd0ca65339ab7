"""Where work on arrays runs: threads of this process, and processes of a Ray cluster."""
