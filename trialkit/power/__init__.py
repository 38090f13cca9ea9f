"""We would have noticed ..."""
