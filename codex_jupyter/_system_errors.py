"""Say in one line why the system refused something, and what to do about it. Imports nothing that needs a file."""

import errno
import os
from collections.abc import Iterable
from typing import Final

NO_FOLDER: Final = (
    "The current folder was deleted or moved. Change to another folder (in a notebook: `%cd FOLDER`), or name one (in a cell: `-C FOLDER`, "
    "in Python: `working_directory`)"
)
_TOO_MANY: Final = "this process has too many open files. Close some, or raise the limit (`ulimit -n`), and try again"
_REMEDIES: Final[tuple[tuple[Iterable[str], str], ...]] = (
    (("ENOSPC", "EDQUOT"), "Free some space, and try again"),
    (("EACCES", "EPERM", "EROFS"), "Change its permissions, or use another folder"),
    (("ENOENT", "ENOTDIR", "EISDIR", "ELOOP", "ENAMETOOLONG", "EEXIST"), "Check the path"),
    (("ENOMEM", "EAGAIN"), "End some processes, or free some memory, and try again"),
    (("EIO", "ESTALE", "EHOSTDOWN", "ENOTCONN", "ETIMEDOUT", "EBUSY"), "Check the disk or the network drive, and try again"),
)


def explained(error: OSError | ValueError | RuntimeError) -> str:
    """Return the reason of a refusal, with a remedy where one is known. The text has no full stop at its end.

    Args:
        error: The refusal.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EMFILE, errno.ENFILE):
        return _TOO_MANY
    if number == errno.ENOENT and not _has_current_folder() and not os.path.isabs(_filename(error)):
        return NO_FOLDER
    if number == errno.ENOSPC:
        return f"the disk is full ({error}). {_REMEDIES[0][1]}"
    reason = str(error)
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    remedy = next((text for names, text in _REMEDIES if number in [getattr(errno, name, None) for name in names]), None)
    return reason if remedy is None or number is None else f"{reason}. {remedy}"


def _filename(error: object) -> str:
    filename = getattr(error, "filename", None)
    return os.fsdecode(filename) if isinstance(filename, str | bytes) else ""


def _has_current_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True
