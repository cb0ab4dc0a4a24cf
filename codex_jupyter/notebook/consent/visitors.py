"""Kernels whose page belongs to a visitor, not to the user."""

import os
from collections.abc import Mapping


def in_voila(env: Mapping[str, str] = os.environ) -> bool:
    """Return True if Voila started this kernel, so that the page belongs to a visitor."""
    return env.get("SERVER_SOFTWARE", "").startswith("voila/") or "VOILA_BASE_URL" in env
