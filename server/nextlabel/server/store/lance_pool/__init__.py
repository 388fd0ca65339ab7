"""The PoolStore on Lance datasets, with the fsync that Lance itself leaves out."""
