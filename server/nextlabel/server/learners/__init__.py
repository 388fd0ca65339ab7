"""Learners: the embedder, the estimators that learn from annotations, their choice and their persistence."""
