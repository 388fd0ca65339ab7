"""Durable storage: the state in a SQL database, the pool's texts and embeddings in Lance."""
