"""Whether those who answer in a run are still as good as gold said."""
