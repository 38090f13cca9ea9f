"""In public, chance chose ..."""
