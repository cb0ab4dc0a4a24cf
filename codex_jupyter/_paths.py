"""Compare paths. Imports nothing that needs a file."""

import os


def is_below(path: str, folder: str) -> bool:
    """Return True if a path lies in a folder. A folder does not lie in itself.

    Args:
        path: An absolute path. Links in it are not resolved.
        folder: An absolute path.
    """
    return path != folder and path.startswith(folder.rstrip(os.sep) + os.sep)
