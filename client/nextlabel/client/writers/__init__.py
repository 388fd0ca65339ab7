"""Writers of tables, chosen by the ending of a file: CSV, JSON Lines, Excel and Parquet."""
