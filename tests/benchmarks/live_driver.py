"""Run one client that waits for commands: `python live_driver.py CLIENT SETTINGS`, with the settings as JSON.

It runs in environments that have nothing but the client in question. Each line of its input is a task, which it answers with the seconds
that it took: `import` imports the client, `first` starts it and runs a turn, `turn` runs one more on the same thread, `eight` runs eight
at once, each on a new thread.
"""

import asyncio
import importlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

Run = Callable[[], Awaitable[Any]]
AT_ONCE = 8


@asynccontextmanager
async def ours(settings: dict[str, Any]) -> AsyncIterator[Callable[[], Awaitable[Run]]]:
    from codex_jupyter.sdk import Codex

    options = {"codex_path_override": settings["executable"], "config": settings["config"], "env": settings["env"]}
    async with Codex(**options, transport=settings["transport"]) as codex:

        async def new() -> Run:
            thread = codex.start_thread(working_directory=settings["folder"], skip_git_repo_check=True)
            return lambda: thread.run("go")

        yield new


@asynccontextmanager
async def official(settings: dict[str, Any]) -> AsyncIterator[Callable[[], Awaitable[Run]]]:
    from openai_codex import AsyncCodex, CodexConfig  # type: ignore[import-not-found,unused-ignore]

    config = CodexConfig(codex_bin=settings["executable"], config_overrides=tuple(settings["overrides"]), env=settings["env"])
    async with AsyncCodex(config) as codex:

        async def new() -> Run:
            thread = await codex.thread_start(cwd=settings["folder"])
            return lambda: thread.run("go")

        yield new


async def start_and_run(new: Callable[[], Awaitable[Run]]) -> None:
    await (await new())()


async def serve(client: Any, settings: dict[str, Any]) -> None:
    async with AsyncExitStack() as stack:
        print("ready", flush=True)
        while task := sys.stdin.readline().strip():
            began = time.perf_counter()
            if task == "import":
                importlib.import_module(MODULES[client])
            elif task == "first":
                new = await stack.enter_async_context(client(settings))
                run = await new()
                await run()
            elif task == "turn":
                await run()
            else:
                await asyncio.gather(*(start_and_run(new) for _ in range(AT_ONCE)))
            print(time.perf_counter() - began, flush=True)


MODULES = {ours: "codex_jupyter.sdk", official: "openai_codex"}

if __name__ == "__main__":
    name, text = sys.argv[1:]
    asyncio.run(serve({"ours": ours, "openai-codex": official}[name], json.loads(text)))
