"""Small language models that are tuned on what a project's people and LLMs answered."""
