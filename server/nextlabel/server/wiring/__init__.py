"""Builds every part from the settings and connects them; the only place that knows all."""
