"""One converter between messages and values for each family."""
