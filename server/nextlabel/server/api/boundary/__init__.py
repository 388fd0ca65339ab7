"""What every call passes: identity, limits, decoding, errors, metrics."""
