"""Runs that ask learner, LLMs and people in turn, as a plan says."""
