"""The pages of who labels and reviews."""
