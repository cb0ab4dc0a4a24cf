"""A forked child leaves what its parent runs alone; it works, or raises one line that says why not."""

import json
import textwrap
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from codex_jupyter.testing import Script, shell
from tests.notebook.conftest import Kernel
from tests.processes import name_of
from tests.sdk.conftest import Real
from tests.sdk.support.fake import wait_until
from tests.security.pythons import running

BUSY = """
    codex = Codex(config=settings["config"], env=settings["env"], transport=settings["transport"])
    options = dict(sandbox_mode="danger-full-access", working_directory=settings["folder"], skip_git_repo_check=True)
    thread = codex.start_thread(**options)
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    def forked(function):
        pid = os.fork()
        if pid == 0:
            function()
            sys.exit(0)
        return pid
    async def until_busy(streamed):
        async for event in streamed.events:
            if event.type == "item.started":
                return
"""
both = pytest.mark.parametrize("transport", ["exec", "app-server"])


def settings_of(real: Real, script: Script, transport: str) -> dict[str, Any]:
    model = real.play(script)
    return {"config": model.config, "env": real.environment(model), "folder": str(real.workspace), "transport": transport}


def pids_of_codex(real: Real) -> set[int]:
    return {process.pid for process in real.processes() if name_of(process).startswith("codex")}


@both
def test_a_child_that_ends_leaves_the_turns_of_its_parent_running(real: Real, transport: str) -> None:
    """Also when it has used the parent's turn, which says in one line that it cannot be used there. The parent reads the turn meanwhile."""
    script = """
    async def start():
        streamed = await thread.run_streamed("go")
        await until_busy(streamed)
        return streamed
    streamed = run(start())
    end = asyncio.run_coroutine_threadsafe(streamed.wait(), loop)
    run(asyncio.sleep(0))
    print("busy", flush=True)
    def child():
        async def use():
            try:
                await streamed.wait()
            except CodexError as error:
                print(type(error).__name__, error, flush=True)
            await streamed.aclose()
            await codex.aclose()
        asyncio.run(use())
    os.waitpid(forked(child), 0)
    print("forked", flush=True)
    sys.stdin.readline()
    open(os.path.join(settings["folder"], "go-on"), "w").close()
    print(end.result().final_response, flush=True)
    run(codex.aclose())
    """
    command = "until [ -e go-on ]; do sleep 0.05; done"
    with running(BUSY + script, settings_of(real, [[shell(command), "Done."]], transport)) as python:
        assert python.line() == "busy"
        before = pids_of_codex(real)
        assert python.line().startswith("TransportError This process was forked while the turn ran")
        assert python.line() == "forked"
        assert pids_of_codex(real) == before != set()
        python.send("go on")
        assert python.line() == "Done."
        assert python.finish() == ("", "")


@both
def test_a_child_that_lives_on_keeps_nothing_of_its_killed_parent(real: Real, transport: str) -> None:
    """It holds no copy of a pipe whose end the others wait for."""
    script = """
    async def start():
        async with thread.run_streamed("go") as streamed:
            await until_busy(streamed)
            print(forked(lambda: time.sleep(300)), flush=True)
            await streamed.wait()
    run(start())
    """
    with running(BUSY + script, settings_of(real, [[shell("setsid sleep 300 & sleep 300")]], transport)) as python:
        child = int(python.line())
        wait_until(lambda: real.sleeps() == 2)
        try:
            python.process.kill()
            wait_until(lambda: real.processes() == [])
            assert psutil.Process(child).is_running()
        finally:
            psutil.Process(child).kill()


@both
def test_a_client_works_in_a_forked_child_and_still_in_the_parent(real: Real, transport: str) -> None:
    """The child has a server of its own, and leaves nothing behind; here with the start method `fork` of multiprocessing."""
    script = """
    print(run(thread.run("one")).final_response, flush=True)
    before = {process.pid for process in psutil.Process().children()}
    def child():
        print(asyncio.run(codex.start_thread(**options).run("two")).final_response, flush=True)
        asyncio.run(codex.aclose())
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    print(run(thread.run("three")).final_response, {one.pid for one in psutil.Process().children()} == before, flush=True)
    run(codex.aclose())
    """
    with running("import psutil\n" + textwrap.dedent(BUSY + script), settings_of(real, ["One.", "Two.", "Three."], transport)) as python:
        assert [python.line() for _ in range(3)] == ["One.", "Two.", "Three. True"]
        assert python.finish() == ("", "")


@pytest.mark.integration
def test_a_child_starts_a_turn_on_a_thread_whose_dropped_turn_the_parent_is_closing() -> None:
    """A task of the parent has locked the end of the dropped turn, and never unlocks it in the child."""
    script = """
    import signal, warnings
    from contextlib import asynccontextmanager
    warnings.simplefilter("ignore", ResourceWarning)
    parent, closing = os.getpid(), threading.Event()
    class NeverClosed(ScriptedTransport):
        @asynccontextmanager
        async def open_turn(self, request):
            async with super().open_turn(request) as turn:
                yield turn
            if os.getpid() == parent:
                closing.set()
                await anyio.Event().wait()
    thread = Codex(transport=NeverClosed([[], [{"type": "turn.completed", "usage": {}}]])).start_thread()
    async def drop():
        await thread.run_streamed("go")
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(drop(), loop).result()
    closing.wait()
    if (child := os.fork()) == 0:
        signal.alarm(60)
        print(asyncio.run(thread.run("now")).status, flush=True)
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
    """
    with running(script, {}) as python:
        assert [python.line(), python.line()] == ["completed", "0"]


def test_a_worker_of_a_kernel_can_use_the_sdk_and_reads_why_the_magic_cannot_be_used(real: Real, new_kernel: Callable[..., Kernel]) -> None:
    """Before, it waited for ever for a thread that only the kernel has."""
    model = real.play(["One.", "Two.", "Three."])
    kernel = new_kernel()
    kernel.use(model)
    assert kernel.execute("%codex one").error is None
    options = json.dumps({"config": model.config, "env": real.environment(model)})
    done = kernel.execute(
        f"""
        import asyncio, concurrent.futures, json, multiprocessing
        def magic():
            try:
                get_ipython().run_line_magic("codex", "two")
            except Exception as error:
                return type(error).__name__, str(error)
        def sdk():
            thread = codex_jupyter.Codex(**json.loads({options!r})).start_thread(skip_git_repo_check=True)
            return asyncio.run(thread.run("two")).final_response
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            answers = pool.submit(magic).result(60), pool.submit(sdk).result(60)
        answers
        """
    )
    assert done.error is None
    assert done.value is not None
    assert "('CodexError', \"%codex works in the notebook's kernel" in " ".join(done.value.split())
    assert "'Two.'" in done.value
    assert "Three." in kernel.execute("%codex three").text
