"""Versions of the CLI are compared as versions, not as texts or numbers."""

import pytest

from codex_jupyter.sdk.executable.version import is_supported, is_tested, parse

OLDEST_FIRST = [
    "strange",
    "0.9.0",
    "0.162.9",
    "0.163.0-alpha.2",
    "0.163.0",
    "0.163.1",
    "0.171.0",
    "0.171.0+local",
    "0.172.0-alpha.10",
    "1.0",
]


def test_versions_are_ordered_with_their_prereleases() -> None:
    """A prerelease is older than its release, and an unknown text older than all."""
    assert sorted(set(OLDEST_FIRST), key=parse) == OLDEST_FIRST


@pytest.mark.parametrize(
    ("version", "supported", "tested"),
    [
        ("0.162.9", False, False),
        ("0.163.0-alpha.2", False, False),
        ("0.163.0", True, True),
        ("0.170.5-beta", True, True),
        ("0.171.0", True, True),
        ("0.171.1", True, False),
        ("0.172.0-alpha.10", True, False),
        ("0.164.0_custom build", True, True),
    ],
)
def test_a_version_is_supported_from_the_minimum_on_and_tested_within_the_range(version: str, supported: bool, tested: bool) -> None:
    """Prereleases and unknown suffixes raise nothing."""
    assert (is_supported(version), is_tested(version)) == (supported, tested)
