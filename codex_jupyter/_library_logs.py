"""Keep the debug messages of libraries out of notebooks.

markdown-it writes a line for each block that it reads, Pillow one for each part of a file. With the root logger at DEBUG, an answer of the
agent would be followed by thousands of lines.
"""

import logging
from typing import Final

LIBRARIES: Final = ("markdown_it", "PIL", "filelock", "httpx", "httpcore", "urllib3")
"""Loggers of libraries that this package uses and that write many debug messages."""


def quiet(*names: str) -> None:
    """Drop the debug messages of libraries. A level that the user has set for one of them stays.

    Args:
        names: Their loggers. None is `LIBRARIES`.
    """
    for name in names or LIBRARIES:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
