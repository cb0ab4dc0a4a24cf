"""The codex program: find it, configure it, and explain its exit."""
