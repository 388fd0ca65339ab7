"""What each annotation type asks for: one module a type, found by `registry.task_type`."""
