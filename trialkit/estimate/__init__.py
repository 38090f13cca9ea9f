"""So the effect was ..."""
