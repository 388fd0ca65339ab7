"""What every page passes: who looks, with which token, what is refused, templates."""
