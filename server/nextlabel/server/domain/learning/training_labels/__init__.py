"""Which labels a learner is trained on: all of them, what is to be said against each, and what filters leave out."""
