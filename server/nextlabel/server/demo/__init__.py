"""The demo: a real server, real data, active learning against the random baseline."""
