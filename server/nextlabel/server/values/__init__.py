"""Frozen dataclasses and errors that everything else speaks in; they have no behaviour of their own."""
