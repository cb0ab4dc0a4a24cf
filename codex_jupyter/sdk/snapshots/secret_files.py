"""Recognise files whose contents look secret. Their contents are never stored."""

import fnmatch
import re
from typing import Final

from codex_jupyter.sdk.redaction import holds_key

_NAMES: Final = re.compile(
    "|".join(
        fnmatch.translate(pattern)
        for pattern in (
            ".env",
            ".env.*",
            "*.env",
            ".netrc",
            "_netrc",
            ".pgpass",
            ".npmrc",
            ".pypirc",
            ".htpasswd",
            ".git-credentials",
            "credentials",
            "credentials.*",
            "secrets.*",
            "auth.json",
            "id_rsa*",
            "id_dsa*",
            "id_ecdsa*",
            "id_ed25519*",
            "*.pem",
            "*.key",
            "*.p12",
            "*.pfx",
            "*.jks",
            "*.keystore",
            "*.kdbx",
        )
    ),
    re.IGNORECASE,
)
_SEARCHED: Final = 2_000_000
"""Bytes of a file that are searched for keys. A binary file is not searched."""


def looks_secret(name: str, data: bytes) -> bool:
    """Return whether a file looks secret, by its name or because it contains a key with a characteristic form.

    Args:
        name: The file's name without folders.
        data: Its content.
    """
    if _NAMES.fullmatch(name):
        return True
    if b"\0" in data[:8_000]:
        return False
    return holds_key(data[:_SEARCHED])
