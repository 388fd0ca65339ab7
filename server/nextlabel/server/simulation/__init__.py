"""Simulated labeling on fully labeled data: which strategy is worth it, against random, with error bars."""
