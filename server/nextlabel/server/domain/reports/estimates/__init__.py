"""What labels say about the pool, and what they bought, each figure with its interval."""
