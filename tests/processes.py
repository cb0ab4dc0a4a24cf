"""Look at processes that can end meanwhile."""

import psutil


def command_line(process: psutil.Process) -> list[str]:
    """Return the executable and the arguments of a process. Empty if it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def name_of(process: psutil.Process) -> str:
    """Return the name of a process. Empty if it has ended."""
    try:
        return process.name()
    except psutil.Error:
        return ""


def has_ended(process: psutil.Process) -> bool:
    """Return True if a process has ended, also if its parent has not noticed yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
