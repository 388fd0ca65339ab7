"""Annotation types as learners see them, one module each."""
