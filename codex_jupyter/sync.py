"""The synchronous client. See `codex_jupyter.sdk.sync`."""

from codex_jupyter.sdk import sync as _sync
from codex_jupyter.sdk.sync import *  # noqa: F403

__doc__ = _sync.__doc__
__all__: list[str] = []
__all__ += _sync.__all__
