"""Small language models, and encoders, that are tuned on what a project's people and LLMs answered."""
