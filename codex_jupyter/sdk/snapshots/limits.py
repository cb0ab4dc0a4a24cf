"""Bounds of the snapshots and of their store."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotLimits:
    """Limits of one snapshot of a folder. What exceeds them is not covered."""

    files: int = 20_000
    """Files and folders."""
    file_bytes: int = 50_000_000
    """Size of a file."""
    total_bytes: int = 500_000_000
    """Size of all files."""
    seconds: float = 10.0
    """Time to read changed files. Files that were not read are covered by a later snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRetention:
    """Limits of what the store keeps. The oldest turns are deleted first."""

    turns: int = 500
    days: float = 30.0
    total_bytes: int = 2_000_000_000
