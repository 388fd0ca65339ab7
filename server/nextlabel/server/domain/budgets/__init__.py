"""Money, tokens and labels: reserved before, settled after."""
