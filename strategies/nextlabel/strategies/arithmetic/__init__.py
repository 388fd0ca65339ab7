"""Arrays of any make, exact sums, and randomness that belongs to rows."""
