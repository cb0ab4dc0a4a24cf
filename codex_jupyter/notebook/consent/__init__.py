"""Presets of rights, the administrator's ceiling, and grants by notebook."""
