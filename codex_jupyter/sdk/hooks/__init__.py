"""Run hooks of the user in this process: Codex starts a small program for each call, which asks this process over a socket."""
