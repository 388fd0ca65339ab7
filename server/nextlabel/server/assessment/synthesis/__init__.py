"""Whether texts that an LLM wrote may stand beside real ones."""
