"""A model and versions of the codex CLI for tests. `test_package.py` checks that no test contains a real one.

Versions come from the tested range of the package. Tests with the real CLI take its models from `tests.catalogue`.
"""

from typing import Final

from codex_jupyter.sdk.executable.version import MINIMUM, TESTED

MODEL: Final = "some-model"
"""A model that no CLI has."""

OLDEST: Final = str(TESTED[0])
NEWEST: Final = str(TESTED[1])
BETWEEN: Final = f"{TESTED[0].major}.{TESTED[0].minor + 1}.{TESTED[0].micro}"
"""A version in the tested range that is not an end of it."""
TOO_OLD: Final = f"{MINIMUM.major}.{MINIMUM.minor - 1}.9"
"""The newest version that is not supported."""
UNTESTED: Final = f"{TESTED[1].major}.{TESTED[1].minor + 1}.{TESTED[1].micro}"
"""A version that is newer than the tested ones."""
SHOWN: Final = "1.2.3"
"""A version that is only displayed."""
