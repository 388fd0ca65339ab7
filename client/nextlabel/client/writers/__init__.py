"""Writers of tables, chosen by the ending of a file: CSV, JSON Lines, Excel, Parquet, Arrow, folders of datasets."""
