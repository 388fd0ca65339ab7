"""What routing is worth: worlds with known truth, money, promises."""
