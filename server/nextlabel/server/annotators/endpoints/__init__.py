"""The dialects of LLM servers."""
