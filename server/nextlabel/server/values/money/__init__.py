"""Amounts, budgets and the lines of the books."""
