"""Training, prediction and what the labels say about an item."""
