"""Labeling at the command line."""
