"""Here is how you can see it."""
