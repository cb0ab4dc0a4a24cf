"""One sample of one SDK, in a process of its own: `python sdk_driver.py CLIENT CASE EXECUTABLE COUNT` prints what it measured as JSON.

It must run in environments that have nothing but the SDK in question. `sdk_driver.mjs` is the same for the TypeScript SDK.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

Stream = Callable[[str], AbstractAsyncContextManager[AsyncIterator[Any]]]
"""Gives the iterator of the SDK itself for a prompt: nothing of ours stands between it and the loop."""
Run = Callable[[str], Awaitable[Any]]


def ours(executable: str, **options: Any) -> tuple[Stream, Run]:
    from codex_jupyter.sdk import Codex

    codex = Codex(codex_path_override=executable)

    @asynccontextmanager
    async def stream(prompt: str) -> AsyncIterator[AsyncIterator[Any]]:
        async with codex.start_thread().run_streamed(prompt, **options) as streamed:
            yield streamed.events

    return stream, lambda prompt: codex.start_thread().run(prompt)


def openai_codex_sdk(executable: str) -> tuple[Stream, Run]:
    from openai_codex_sdk import Codex  # type: ignore[import-not-found,unused-ignore]

    codex = Codex({"codex_path_override": executable})

    @asynccontextmanager
    async def stream(prompt: str) -> AsyncIterator[AsyncIterator[Any]]:
        yield (await codex.start_thread().run_streamed(prompt)).events

    return stream, lambda prompt: codex.start_thread().run(prompt)


def codex_sdk_python(executable: str) -> tuple[Stream, Run]:
    from codex_sdk import Codex, CodexOptions  # type: ignore[import-not-found,unused-ignore]

    codex = Codex(CodexOptions(codex_path_override=executable))

    @asynccontextmanager
    async def stream(prompt: str) -> AsyncIterator[AsyncIterator[Any]]:
        yield codex.start_thread().run_streamed_events(prompt)

    return stream, lambda prompt: codex.start_thread().run(prompt)


def floor(executable: str) -> tuple[Stream, Run]:
    """The least that Python can do: lines and dicts, and a process that is spawned and waited for."""

    async def lines() -> AsyncIterator[Any]:
        with subprocess.Popen([executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:  # noqa: ASYNC220 - nothing else runs
            assert process.stdout is not None
            for line in process.stdout:
                yield json.loads(line)

    @asynccontextmanager
    async def stream(_: str) -> AsyncIterator[AsyncIterator[Any]]:
        yield lines()

    async def run(_: str) -> None:
        actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
        os.waitpid(os.posix_spawn(executable, [executable], os.environ, file_actions=actions), 0)  # noqa: ASYNC221, ASYNC222 - nothing else runs

    return stream, run


def peak_mb() -> float:
    """The most memory that this process had; `ru_maxrss` would count that of the process that started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def text_of(event: Any) -> str | None:
    item = event.get("item") if isinstance(event, dict) else getattr(event, "item", None)
    text = item.get("text") if isinstance(item, dict) else getattr(item, "text", None)
    return text if isinstance(text, str) else None


async def crowd(stream: Stream, run: Run, count: int) -> list[int]:
    """Return the latencies of the events of ten running turns while other turns start, run and end; the shortest first."""
    late: list[int] = []
    running = [asyncio.Event() for _ in range(10)]

    async def watch(seen: asyncio.Event) -> None:
        async with stream("tick") as events:
            async for event in events:
                if text := text_of(event):
                    late.append(time.monotonic_ns() - int(text))
                    seen.set()

    watching = [asyncio.create_task(watch(seen)) for seen in running]
    await asyncio.gather(*(seen.wait() for seen in running))
    late.clear()
    await asyncio.gather(*(run("go") for _ in range(count - len(running))))
    late, taken = [], late
    await asyncio.gather(*watching)
    return sorted(taken)


async def measured(case: str, stream: Stream, run: Run, count: int) -> dict[str, float]:
    await run("warm")
    if case == "turns":
        spent, used = [], time.process_time()
        for _ in range(count):
            began = time.perf_counter()
            await run("go")
            spent.append(time.perf_counter() - began)
        return {"ms": sorted(spent)[len(spent) // 2] * 1000, "cpu": time.process_time() - used}
    if case == "latency":
        used = time.process_time()
        async with stream("go") as events:
            late = [time.monotonic_ns() - int(text) async for event in events if (text := text_of(event))]
        late.sort()
        return {"ms": late[len(late) // 2] / 1e6, "p99": late[len(late) * 99 // 100] / 1e6, "cpu": time.process_time() - used}
    if case == "crowd":
        late = await crowd(stream, run, count)
        return {"ms": late[len(late) // 2] / 1e6, "p99": late[len(late) * 99 // 100] / 1e6}
    began, used = time.perf_counter(), time.process_time()
    if case == "many":
        await asyncio.gather(*(run("go") for _ in range(count)))
        seen = 0
    else:
        seen = 0
        async with stream("go") as events:
            async for _ in events:
                seen += 1
    return {"s": time.perf_counter() - began, "cpu": time.process_time() - used, "mb": peak_mb(), "events": seen}


if __name__ == "__main__":
    name, case, executable, count = sys.argv[1:]
    clients: dict[str, Callable[[str], tuple[Stream, Run]]] = {
        "ours": ours,
        "ours, without items": partial(ours, keep_items=False),
        "openai-codex-sdk": openai_codex_sdk,
        "codex-sdk-python": codex_sdk_python,
        "floor": floor,
    }
    print(json.dumps(asyncio.run(measured(case, *clients[name](executable), int(count)))))
