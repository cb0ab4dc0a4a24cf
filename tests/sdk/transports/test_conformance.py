"""The suite that every transport must pass, over each transport, and over the synchronous client."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from codex_jupyter import sync
from codex_jupyter.sdk import Codex, ScriptedTransport, Thread, TurnRequest
from codex_jupyter.testing import fail, shell
from tests.sdk.conftest import Real
from tests.sdk.support.conformance import CHECKS, Check, Plot, Runs, Says, Stage, cancelling_the_task_ends_the_turn
from tests.sdk.support.fake import both_backends
from tests.sdk.support.synchronous import AwaitedThread

pytestmark = pytest.mark.anyio
SYNCHRONOUS_CHECKS = [check for check in CHECKS if check is not cancelling_the_task_ends_the_turn]
"""A call of the synchronous client is not cancelled with a task, but by Ctrl-C, see `test_sync`."""


@dataclass
class ScriptedStage:
    """Plays plots without a process."""

    plots: list[Plot] = field(default_factory=list)
    tokens: Iterator[int] = field(default_factory=lambda: count(1))

    def thread(self, *plots: Plot) -> Thread:
        self.plots += plots
        self.codex = Codex(transport=ScriptedTransport(self.play))
        return self.codex.start_thread()

    def again(self, thread: Thread) -> Thread:
        assert thread.id is not None
        return self.codex.resume_thread(thread.id)

    def play(self, _request: TurnRequest) -> Iterator[Any]:
        yield {"type": "turn.started"}
        for number, scene in enumerate(self.plots.pop(0)):
            item: dict[str, Any] = {"id": f"item_{number}", "type": "command_execution", "command": "x", "status": "in_progress"}
            if isinstance(scene, Says):
                yield {"type": "item.completed", "item": {"id": item["id"], "type": "agent_message", "text": scene.text}}
            elif scene in ("fails", "overloaded"):
                yield {"type": "turn.failed", "error": {"message": "refused" if scene == "fails" else "Selected model is at capacity."}}
                return
            else:
                yield {"type": "item.started", "item": item}
                if scene == "hangs":
                    yield 60.0
                assert isinstance(scene, Runs)
                yield {"type": "item.completed", "item": item | {"aggregated_output": scene.output, "status": "completed"}}
        total = next(self.tokens)
        yield {"type": "turn.completed", "usage": {"input_tokens": total, "output_tokens": total}}


class SynchronousStage(ScriptedStage):
    """Plays plots without a process, with the synchronous client."""

    def thread(self, *plots: Plot) -> Any:
        self.plots += plots
        self.client = sync.Codex(transport=ScriptedTransport(self.play))
        return AwaitedThread(self.client.start_thread())

    def again(self, thread: Any) -> Any:
        return AwaitedThread(self.client.resume_thread(thread.id))


@dataclass
class RealStage:
    """Plays plots with the real CLI, over one of its interfaces."""

    real: Real

    def thread(self, *plots: Plot) -> Thread:
        model = self.real.play([[self.reply(scene) for scene in plot] for plot in plots])
        self.codex = self.real.codex(model)
        return self.codex.start_thread(working_directory=self.real.workspace, skip_git_repo_check=True)

    def again(self, thread: Thread) -> Thread:
        assert thread.id is not None
        return self.codex.resume_thread(thread.id, working_directory=self.real.workspace, skip_git_repo_check=True)

    @staticmethod
    def reply(scene: Any) -> Any:
        if scene == "hangs":
            return [shell("sleep 60")]
        if scene == "overloaded":
            return [fail(503, "over", "service_unavailable_error", "server_is_overloaded")]
        if scene == "fails":
            return [fail(400, "refused", "invalid_request_error")]
        return scene.text if isinstance(scene, Says) else [shell(f"printf '{scene.output}'".replace("\n", "\\n"))]


@pytest.fixture(params=["scripted", "exec", "app-server", "auto"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "scripted":
        yield ScriptedStage()
    else:
        real: Real = request.getfixturevalue("real")
        real.transport = request.param
        yield RealStage(real)


@both_backends
@pytest.mark.parametrize("behaviour", CHECKS, ids=lambda behaviour: behaviour.__name__)
async def test_every_transport_behaves_alike(stage: Stage, behaviour: Check) -> None:
    """One list of behaviours for every transport."""
    await behaviour(stage)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("behaviour", SYNCHRONOUS_CHECKS, ids=lambda behaviour: behaviour.__name__)
async def test_the_synchronous_client_behaves_alike(behaviour: Check) -> None:
    """One list of behaviours for both clients."""
    await behaviour(SynchronousStage())
