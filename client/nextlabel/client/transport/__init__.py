"""How calls reach the server: addresses, the channel, the connection, and the two ways to call."""
