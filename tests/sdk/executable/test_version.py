"""Versions of the CLI are compared as versions, not as texts or numbers."""

import pytest

from codex_jupyter.sdk.executable.version import is_supported, is_tested, parse
from tests.invented import BETWEEN, NEWEST, OLDEST, TOO_OLD, UNTESTED

OLDEST_FIRST = [
    "strange",
    "0.9.0",
    TOO_OLD,
    f"{OLDEST}-alpha.2",
    OLDEST,
    f"{OLDEST}.1",
    BETWEEN,
    NEWEST,
    f"{NEWEST}+local",
    f"{UNTESTED}-alpha.9",
    f"{UNTESTED}-alpha.10",
    UNTESTED,
    "1.0",
]


def test_versions_are_ordered_with_their_prereleases() -> None:
    """A prerelease is older than its release, and an unknown text older than all."""
    assert sorted(set(OLDEST_FIRST), key=parse) == OLDEST_FIRST


@pytest.mark.parametrize(
    ("version", "supported", "tested"),
    [
        (TOO_OLD, False, False),
        (f"{OLDEST}-alpha.2", False, False),
        (OLDEST, True, True),
        (f"{BETWEEN}-beta", True, True),
        (NEWEST, True, True),
        (f"{NEWEST}.1", True, False),
        (f"{UNTESTED}-alpha.10", True, False),
        (f"{BETWEEN}_custom build", True, True),
    ],
)
def test_a_version_is_supported_from_the_minimum_on_and_tested_within_the_range(version: str, supported: bool, tested: bool) -> None:
    """Prereleases and unknown suffixes raise nothing."""
    assert (is_supported(version), is_tested(version)) == (supported, tested)
