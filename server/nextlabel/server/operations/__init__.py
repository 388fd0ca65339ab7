"""Backup, doctor and state metrics."""
