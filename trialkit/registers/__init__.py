"""Units from files, and from the registers trialkit ships."""
