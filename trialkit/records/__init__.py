"""Afterwards we saw ..."""
