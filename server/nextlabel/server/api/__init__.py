"""The gRPC face of the server: one boundary for every call, and thin servicers that translate."""
