"""Doctor, backups, servers of a process of their own, and state metrics."""
