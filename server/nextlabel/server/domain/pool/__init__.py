"""Items on their way into the pool, and what this process knows of it."""
