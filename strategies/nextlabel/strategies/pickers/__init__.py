"""Setwise choice from candidates, one idea a module."""
