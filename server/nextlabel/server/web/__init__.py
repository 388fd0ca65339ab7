"""Dashboard and labeling page: a gRPC client of the service, with the rights of whoever looks."""
