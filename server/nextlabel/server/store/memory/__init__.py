"""Stores that keep everything in plain Python values: the reference that the durable ones are compared with."""
