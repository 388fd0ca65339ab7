"""Learning which one class an item has: from labels and the pool to an immutable model."""
