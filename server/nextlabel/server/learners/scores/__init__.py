"""Learning how an item scores: a ridge regression whose strength and errors are told by leaving labels out."""
