"""The pool as a picture: where its items lie, which are drawn."""
