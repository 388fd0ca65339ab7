"""Which labels are better left out, and why: pure functions."""
