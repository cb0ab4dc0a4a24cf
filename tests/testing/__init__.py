"""The scripted model provider, against the real CLI."""
