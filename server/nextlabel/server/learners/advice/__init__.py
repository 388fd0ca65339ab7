"""What annotators say of items, as evidence beside the embedding: recalibrated on labels, never a label itself."""
