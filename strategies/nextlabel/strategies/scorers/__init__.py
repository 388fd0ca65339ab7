"""Pointwise acquisition functions, one family a module."""
