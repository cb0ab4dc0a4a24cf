"""The codex executable: where it is, how it is configured, how its process is run and stopped."""
