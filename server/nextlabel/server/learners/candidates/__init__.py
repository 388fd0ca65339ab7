"""The ways to train a classifier, and the choice between them."""
