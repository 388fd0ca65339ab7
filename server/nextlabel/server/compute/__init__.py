"""Where work on arrays runs: threads of this process."""
