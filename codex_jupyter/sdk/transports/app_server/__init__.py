"""The transport `codex app-server`: one process for all turns of a client."""
