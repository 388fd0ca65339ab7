"""What an assistant may do with a server: tools of the Model Context Protocol."""
