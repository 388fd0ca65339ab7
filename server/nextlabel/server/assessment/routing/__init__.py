"""Which labels may stand without a person looking at them."""
