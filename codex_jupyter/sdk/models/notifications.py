"""Notifications of the app-server in their original form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification of the app-server. `codex app-server generate-json-schema` describes all of them."""

    method: str
    """The method, such as `account/updated`."""
    params: Mapping[str, Any]
    """The parameters, as the server sends them. Most have `threadId` and `turnId`."""
