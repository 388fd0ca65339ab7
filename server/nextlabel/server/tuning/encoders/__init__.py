"""Encoders of texts that are tuned on a project's labels."""
