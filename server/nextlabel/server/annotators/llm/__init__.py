"""An LLM as annotator, chooser and critic."""
