"""Reads what replies are put together from: items with their states, runs with their books, exports."""
