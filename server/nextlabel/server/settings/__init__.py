"""What an operator can set: one class a table."""
