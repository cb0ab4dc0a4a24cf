"""Decide if a file must be read again."""

import os
from typing import Final

RACY: Final = 2_000_000_000
"""Nanoseconds after a change in which another one can leave the times of a file as they are, on file systems with coarse times."""


def file_state(status: os.stat_result) -> tuple[int, ...]:
    """Return what differs after a change of a file, and after another file has taken its place.

    The time of modification alone is not enough: some package managers set it to the same for all files.

    Args:
        status: The status of the file.
    """
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def shows_changes(status: os.stat_result, now: int) -> bool:
    """Return True if a later change of a file is sure to change its times.

    Args:
        status: The status of the file.
        now: The time in nanoseconds of `time.time_ns`.
    """
    return max(status.st_ctime_ns, status.st_mtime_ns) + RACY < now
