"""When to stop: whether a target is shown, whether anything still changes, and what more labels would bring."""
