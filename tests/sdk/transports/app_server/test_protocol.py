"""The protocol of both ends of the supported range, as the CLI itself describes it, against what this package sends and reads.

A failure after a change of the CLI lists what is new, removed or changed. Decide for each entry, then update the lists.
"""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import locate_codex
from codex_jupyter.sdk.transports.app_server.approvals import refusal, request_of
from codex_jupyter.sdk.transports.app_server.events import ServerEvents
from codex_jupyter.sdk.transports.app_server.increments import INCREMENTS
from codex_jupyter.sdk.transports.app_server.items import CONVERTERS, DROPPED
from codex_jupyter.sdk.transports.app_server.startup import OPTED_OUT_NOTIFICATIONS, REQUIRED_METHODS

pytestmark = pytest.mark.cli_range

IGNORED_NOTIFICATIONS = {
    # Not about a turn. `Codex.notifications` receives them.
    "account/gatewayOAuth/changed",
    "account/login/completed",
    "account/updated",
    "app/list/updated",
    "command/exec/outputDelta",
    "externalAgentConfig/import/completed",
    "externalAgentConfig/import/progress",
    "fs/changed",
    "fuzzyFileSearch/sessionCompleted",
    "fuzzyFileSearch/sessionUpdated",
    "mcpServer/event/stream/notification",
    "mcpServer/oauthLogin/completed",
    "modelProvider/authRecoveryCompleted",
    "modelProvider/authRecoveryStarted",
    "process/exited",
    "process/outputDelta",
    "project/changed",
    "skills/changed",
    "thread/archived",
    "thread/attachment/updated",
    "thread/closed",
    "thread/deleted",
    "thread/environment/connected",
    "thread/environment/disconnected",
    "thread/goal/cleared",
    "thread/goal/updated",
    "thread/name/updated",
    "thread/prediction/updated",
    "thread/project/updated",
    "thread/queue/changed",
    "thread/reverted",
    "thread/section/changed",
    "thread/settings/updated",
    "thread/started",
    "thread/status/changed",
    "thread/unarchived",
    "windows/worldWritableWarning",
    "windowsSandbox/setupCompleted",
    *(f"thread/realtime/{name}" for name in ("closed", "error", "itemAdded", "outputAudio/delta", "sdp", "started")),
    *(f"thread/realtime/item/{name}" for name in ("completed", "started", "transcript/delta")),
    *(f"thread/realtime/transcript/{name}" for name in ("delta", "done")),
    "thread/search/partial",
    # About a turn, but repeated elsewhere, or without meaning for its result.
    "autoApprovalReview/strictReviewRequired",
    "item/commandExecution/terminalInteraction",
    "item/fileChange/outputDelta",
    "item/fileChange/patchUpdated",
    "model/safetyBuffering/updated",
    "model/verification",
    "serverRequest/resolved",
    "thread/compacted",
    "turn/moderationMetadata",
}
IGNORED_ITEMS = {"functionCallOutput"}
"""Types of items that become an `UnknownItem`."""
REFUSED_REQUESTS = {
    "account/chatgptAuthTokens/refresh",
    "applyPatchApproval",
    "attestation/generate",
    "currentTime/read",
    "execCommandApproval",
}
"""Requests of the server that are always refused. `currentTime/read` is of older CLIs only."""
TOOL_CALL = "item/tool/call"
SENT_REQUESTS = {
    *REQUIRED_METHODS,
    "account/login/cancel",
    "account/login/start",
    "account/read",
    "initialize",
    "model/list",
    "review/start",
    "skills/list",
    "thread/backgroundTerminals/clean",
    "thread/compact/start",
    "thread/fork",
    "thread/name/set",
    "thread/read",
    "thread/revert",
    "turn/steer",
}
SENT_PARAMETERS = {
    "ThreadStartParams": {
        "approvalPolicy",
        "config",
        "cwd",
        "dynamicTools",
        "ephemeral",
        "model",
        "modelProvider",
        "permissions",
        "threadSource",
    },
    "ThreadResumeParams": {"approvalPolicy", "approvalsReviewer", "config", "cwd", "excludeTurns", "model", "permissions", "threadId"},
    "ThreadForkParams": {"approvalPolicy", "config", "cwd", "excludeTurns", "model", "permissions", "runtimeWorkspaceRoots", "threadId"},
    "TurnStartParams": {
        "additionalContext",
        "approvalPolicy",
        "cwd",
        "cyberAccessProgram",
        "effort",
        "input",
        "model",
        "outputSchema",
        "permissions",
        "runtimeWorkspaceRoots",
        "summary",
        "threadId",
    },
    "TurnSteerParams": {"expectedTurnId", "input", "threadId"},
    "TurnInterruptParams": {"threadId", "turnId"},
}
NEW_IN_THE_NEWEST = {
    "notifications": {"thread/search/partial", "thread/section/changed"},
    "items": {"agentMessage.moderation", "imageGeneration.generationId", "imageGeneration.inputImages", "mcpToolCall.environmentId"},
}
REMOVED_IN_THE_NEWEST = {"notifications": set[str](), "items": {"imageGeneration.result"}}
"""Differences between the two ends of the supported range."""


@pytest.fixture(scope="session", params=["PyPI", "npm"])
def executable(request: pytest.FixtureRequest) -> Path:
    return bundled() if request.param == "PyPI" else newest(request)


def bundled() -> Path:
    return locate_codex(env={"PATH": "", "HOME": "/nonexistent"}, folder=Path("/")).path


def newest(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue("npm_codex")
    return locate_codex(folder / "node_modules" / ".bin" / "codex").path


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that reads a file of the schemas of an executable."""

    @cache
    def folder(executable: Path) -> Path:
        target = tmp_path_factory.mktemp("schemas")
        command = [str(executable), "app-server", "generate-json-schema", "--experimental", "--out", str(target)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return target

    return lambda executable, name: json.loads((folder(executable) / f"{name}.json").read_text(encoding="utf-8"))


def methods(schema: Any) -> set[str]:
    return {variant["properties"]["method"]["enum"][0] for variant in schema["oneOf"]}


def items(schema: Any) -> dict[str, set[str]]:
    """Return the fields of each type of item."""
    variants = schema["definitions"]["ThreadItem"]["oneOf"]
    return {variant["properties"]["type"]["enum"][0]: set(variant["properties"]) for variant in variants}


def test_every_notification_is_converted_or_listed(executable: Path, schemas: Any) -> None:
    converted = {*ServerEvents().methods, *INCREMENTS}
    names = methods(schemas(executable, "ServerNotification"))
    assert names - converted - IGNORED_NOTIFICATIONS - set(OPTED_OUT_NOTIFICATIONS) == set()
    assert converted - names == set()
    assert converted & IGNORED_NOTIFICATIONS == set()


def test_every_item_is_converted_or_listed(executable: Path, schemas: Any) -> None:
    names = set(items(schemas(executable, "ServerNotification")))
    assert names == {*CONVERTERS, *DROPPED, *IGNORED_ITEMS}


def test_every_request_of_the_server_can_be_decided_or_is_refused(executable: Path, schemas: Any) -> None:
    names = methods(schemas(executable, "ServerRequest"))
    assert {method for method in names if request_of(method, {}) is None} <= REFUSED_REQUESTS | {TOOL_CALL}
    assert all("result" in refusal(method) or "error" in refusal(method) for method in names)


def test_every_request_that_is_sent_exists_with_its_parameters(executable: Path, schemas: Any) -> None:
    assert SENT_REQUESTS - methods(schemas(executable, "ClientRequest")) == set()
    for name, sent in SENT_PARAMETERS.items():
        assert sent - set(schemas(executable, f"v2/{name}")["properties"]) == set(), name


def test_the_differences_of_the_supported_range_are_listed(request: pytest.FixtureRequest, schemas: Any) -> None:
    sides = []
    for executable in (bundled(), newest(request)):
        schema = schemas(executable, "ServerNotification")
        fields = {f"{kind}.{field}" for kind, names in items(schema).items() for field in names}
        sides.append({"notifications": methods(schema), "items": fields})
    old, new = sides
    assert {name: new[name] - old[name] for name in new} == NEW_IN_THE_NEWEST
    assert {name: old[name] - new[name] for name in old} == REMOVED_IN_THE_NEWEST
