"""Learners of each annotation type against plain estimators, on labeled sets."""
