"""The calls of the service, by service. Results are the messages of `nextlabel.v1`, as the server sent them."""
