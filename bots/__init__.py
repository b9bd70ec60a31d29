"""Who decides, within which limits, and why. The top of the three apps; only the site stands above it."""
