"""We promised ..."""
