"""Builds who answers: LLMs behind their endpoints, advisors, critics, writers."""
