"""The service: API, domain, stores, annotators, learners."""
