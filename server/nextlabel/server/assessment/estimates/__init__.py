"""What is true of a whole pool, estimated from few labels without bias, each figure with its kind and interval."""
