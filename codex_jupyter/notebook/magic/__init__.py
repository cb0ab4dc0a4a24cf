"""The magics `%codex` and `%%codex`."""
