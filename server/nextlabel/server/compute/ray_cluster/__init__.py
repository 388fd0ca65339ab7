"""Work on a Ray cluster. Ray lives in a process of its own: it ends the process that it loses its cluster in."""
