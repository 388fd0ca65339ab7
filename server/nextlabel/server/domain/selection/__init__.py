"""Which items are worth a label next."""
