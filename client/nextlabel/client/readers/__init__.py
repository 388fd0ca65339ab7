"""Readers of item files: JSON Lines, CSV, TSV and Parquet, plain or gzip."""
