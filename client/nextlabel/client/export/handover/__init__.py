"""Labels handed over to whoever has to check them: one folder, every number with the rows that it comes from."""
