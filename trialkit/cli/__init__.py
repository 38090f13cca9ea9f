"""Press here."""
