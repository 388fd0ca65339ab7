"""LLMs as judges of labels."""
