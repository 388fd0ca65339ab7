"""Learning which of many classes apply to an item: one head a class on shared embeddings."""
