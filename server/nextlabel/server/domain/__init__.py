"""Rules and use cases of the service; knows ports, not their implementations."""
