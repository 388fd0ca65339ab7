"""The messages of the API from plain values, and back."""
