"""Metering, prices, retries and manners of calls that cost."""
