"""Options that say who answers, and how an LLM is asked."""
