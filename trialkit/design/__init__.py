"""The assignment could have been ..."""
