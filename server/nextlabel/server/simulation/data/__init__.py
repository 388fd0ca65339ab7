"""Labeled data for simulations."""
