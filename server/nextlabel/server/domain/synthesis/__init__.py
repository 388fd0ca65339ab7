"""Texts that an LLM writes for the learner, and what keeps them from doing harm."""
