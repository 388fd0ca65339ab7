"""The bars of `assessment.py`, a module each."""
