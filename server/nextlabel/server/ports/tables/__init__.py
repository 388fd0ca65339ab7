"""The tables of the StateStore: what a unit of work may read and write."""
