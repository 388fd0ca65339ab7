"""LLM annotators: speed, cost, calibration, attacks, and what they write."""
