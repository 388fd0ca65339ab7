"""Annotators: LLM endpoints, replayed labels and the learner behind one port, with money and manners."""
