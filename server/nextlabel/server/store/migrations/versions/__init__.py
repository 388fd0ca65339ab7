"""One file per version of the tables; none is changed once released."""
