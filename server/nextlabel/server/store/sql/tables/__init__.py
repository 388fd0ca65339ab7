"""The tables over SQL."""
