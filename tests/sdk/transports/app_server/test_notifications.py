"""Requests and notifications of the app-server in their original form."""

from typing import Any

import anyio
import pytest

from codex_jupyter.sdk import Codex, ScriptedTransport, TransportError, UnsupportedOperationError
from codex_jupyter.sdk.transports.app_server import watchers
from codex_jupyter.sdk.transports.app_server.watchers import Subscription
from tests.sdk.conftest import Real

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("transport", ["exec", "app-server", "auto"])
async def test_any_request_can_be_sent_with_every_transport(real: Real, transport: str) -> None:
    (real.workspace / "needle.txt").touch()
    real.transport = transport
    codex = real.codex(real.play([]))
    answer = await codex.request("fuzzyFileSearch", {"query": "needle", "roots": [str(real.workspace)]})
    assert answer["files"][0]["path"] == "needle.txt"
    with pytest.raises(TransportError, match="refused no/such"):
        await codex.request("no/such")


@pytest.mark.parametrize("transport", ["app-server", "auto"])
async def test_notifications_can_be_received_beside_turns(real: Real, transport: str) -> None:
    """The iteration ends with the client. A subscription to one method gets only that."""
    real.transport = transport
    codex = real.codex(real.play(["One."]))
    received: list[str] = []

    async def receive(*methods: str) -> None:
        async with codex.notifications(*methods) as notifications:
            ready.set()
            received.extend([notification.method async for notification in notifications])

    for methods in ((), ("turn/completed",)):
        received.clear()
        ready = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive, *methods)
            await ready.wait()
            thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True)
            async with thread.run_streamed("go") as streamed:
                assert [event.type async for event in streamed.events][-1] == "turn.completed"
            await codex.aclose()
        assert received.count("turn/completed") == 1
        assert ("thread/status/changed" in received) is (methods == ())


async def test_transports_without_notifications_refuse_them(real: Real) -> None:
    for client in (real.codex(real.play([])), Codex(transport=ScriptedTransport([]))):
        with pytest.raises(UnsupportedOperationError, match="app-server"):
            client.notifications()
    with pytest.raises(UnsupportedOperationError):
        await client.request("model/list")


async def test_a_subscriber_that_reads_too_little_is_informed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "MAX_UNREAD", 2)
    subscription = Subscription()
    for number in range(3):
        subscription.put("a", {"number": number})
    with pytest.raises(TransportError, match="some were lost"):
        await anext(subscription)
    subscription.close()
    kept: dict[str, Any] = {"number": 1}
    another = Subscription({"b"})
    another.put("a", {})
    another.put("b", kept)
    assert (await anext(another)).params == kept
    another.close()
