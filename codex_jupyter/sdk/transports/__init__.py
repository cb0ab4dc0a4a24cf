"""The ways to have a turn run: the one seam of the SDK, and what stands behind it."""
