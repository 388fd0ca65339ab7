"""Clocks, signals, addresses and the event loop."""
