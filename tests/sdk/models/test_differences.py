"""The lists of what only one transport can report are complete."""

import dataclasses
from typing import Any

from pydantic import BaseModel

from codex_jupyter.sdk.models import app_server_events, app_server_items
from tests.sdk.support.differences import EVENTS_OF_THE_APP_SERVER, FIELDS_OF_THE_APP_SERVER, ITEMS_OF_THE_APP_SERVER


def types(module: Any) -> set[str]:
    """Return the values of `type` of the models in a module."""
    models = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return {kind.model_fields["type"].default for kind in models if "type" in kind.model_fields}


def test_all_that_only_the_app_server_reports_is_listed() -> None:
    assert types(app_server_events) == EVENTS_OF_THE_APP_SERVER
    assert types(app_server_items) == ITEMS_OF_THE_APP_SERVER
    for kind, names in FIELDS_OF_THE_APP_SERVER.items():
        fields = set(kind.model_fields) if issubclass(kind, BaseModel) else {field.name for field in dataclasses.fields(kind)}
        assert names <= fields, kind
