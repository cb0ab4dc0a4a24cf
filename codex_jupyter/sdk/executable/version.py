"""Versions of the codex CLI: parse them, and compare them with the supported and the tested ones."""

import re
from functools import lru_cache
from typing import Final

from packaging.version import InvalidVersion, Version

MINIMUM: Final = Version("0.163.0")
"""Oldest supported CLI. Older ones send other events, and cannot continue threads of a newer one."""
TESTED: Final = (Version("0.163.0"), Version("0.171.0"))
"""First and last CLI that the tests ran with."""


def parse(text: str) -> Version:
    """Return a version of the CLI, such as `0.163.0` or `0.172.0-alpha.2`.

    A suffix that is not a version of Python packages is ignored. A text that does not start with a version is older than any other.
    """
    try:
        return Version(text)
    except InvalidVersion:
        numbers = re.match(r"\d+(\.\d+)*", text)
        return Version(numbers[0] if numbers else "0")


@lru_cache(maxsize=64)
def is_supported(version: str) -> bool:
    """Return whether the CLI of this version can be used."""
    return parse(version) >= MINIMUM


def is_tested(version: str) -> bool:
    """Return whether a version lies in the tested range."""
    first, last = TESTED
    return first <= parse(version) <= last


def tested_range() -> str:
    """Return the tested range for display, such as `0.163.0 to 0.171.0`."""
    return " to ".join(map(str, TESTED))
