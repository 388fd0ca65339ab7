"""Rules of when to stop, on traces of runs."""
