"""What keeps the stores tidy."""
