"""The transport `codex exec`: one process per turn."""
