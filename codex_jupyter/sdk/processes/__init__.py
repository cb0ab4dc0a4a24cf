"""Own a child process: start it, read its lines, stop it with everything that it started."""
