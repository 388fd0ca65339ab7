"""What an operator wants to know."""
