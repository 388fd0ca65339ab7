"""Learning which of two texts is better: a reward that is linear in their embeddings, with room for ties."""
