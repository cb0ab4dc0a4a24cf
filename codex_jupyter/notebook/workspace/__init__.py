"""Changes that a turn makes to its folder."""
