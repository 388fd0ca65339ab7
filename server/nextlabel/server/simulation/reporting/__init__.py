"""What a simulation found: tables, files, plots."""
