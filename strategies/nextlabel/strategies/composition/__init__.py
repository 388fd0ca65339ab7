"""Strategies around strategies: an audit share, a handover, a choice left to somebody else."""
