"""Files that commands read, and how they are added."""
