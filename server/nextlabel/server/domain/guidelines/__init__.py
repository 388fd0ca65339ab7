"""Guidelines that an LLM proposes."""
