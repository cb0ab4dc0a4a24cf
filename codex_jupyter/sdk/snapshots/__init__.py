"""Snapshots of folders: record the files before and after a turn, and return to an earlier state."""
