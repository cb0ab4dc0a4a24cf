"""A sample of warm turns of one client, in a process of its own: `python live_driver.py CLIENT SETTINGS`, with the settings as JSON.

It runs in environments that have nothing but the client in question, and prints what it measured as JSON: the seconds of each turn on one
thread, and the seconds of eight turns at once, each on a thread of its own.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
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


async def measured(client: Any, settings: dict[str, Any]) -> dict[str, Any]:
    async with client(settings) as new:
        began = time.perf_counter()
        run = await new()
        await run()
        first = time.perf_counter() - began
        turns = []
        for _ in range(settings["turns"]):
            began = time.perf_counter()
            await run()
            turns.append(time.perf_counter() - began)
        began = time.perf_counter()
        await asyncio.gather(*[one() for one in [await new() for _ in range(AT_ONCE)]])
        return {"first": first, "turns": turns, "at once": time.perf_counter() - began}


if __name__ == "__main__":
    name, text = sys.argv[1:]
    print(json.dumps(asyncio.run(measured({"ours": ours, "openai-codex": official}[name], json.loads(text)))))
