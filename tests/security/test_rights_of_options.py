"""All options of a turn are those of the turn, for every earlier option of its thread, and mean the same over both transports."""

import itertools
from typing import Any

import pytest

from codex_jupyter.sdk import ThreadOptions
from tests.catalogue import DIRECT
from tests.sdk.conftest import Real
from tests.security.test_rights import BOTH, WRITE, Stage

pytestmark = pytest.mark.anyio

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"sandbox_mode": WRITE},
    {"sandbox_mode": WRITE, "network_access_enabled": True},
    {"sandbox_mode": WRITE, "additional_directories": ["OUTSIDE"]},
    {"sandbox_mode": WRITE, "read_only_paths": ["OUTSIDE"], "additional_directories": ["ABOVE"]},
    {"sandbox_mode": WRITE, "additional_directories": ["relative"]},
    {"model": DIRECT, "model_reasoning_effort": "low"},
    {"model_reasoning_effort": "high"},
    {"config_overrides": ("sandbox_mode='workspace-write'", "sandbox_workspace_write.network_access=true")},
    {"config_overrides": ("default_permissions=':danger-full-access'",)},
    {"web_search_mode": "live"},
)


def options_of(stage: Stage, given: dict[str, Any]) -> ThreadOptions:
    folders = {"OUTSIDE": stage.outside, "ABOVE": stage.outside.parent, "relative": "relative"}
    placed = {name: [folders[folder] for folder in value] if isinstance(value, list) else value for name, value in given.items()}
    return ThreadOptions.of(stage.options, placed)


def asked(stage: Stage) -> tuple[Any, Any, Any]:
    """The model, the effort and the access to the web of the last request."""
    body = stage.model.requests[-1].body
    web = [tool.get("external_web_access") for tool in body.get("tools") or () if tool.get("type") == "web_search"]
    return body.get("model"), (body.get("reasoning") or {}).get("effort"), web


def euler(count: int) -> list[int]:
    """A walk over the numbers that contains every ordered pair of them once."""
    walk = [0]
    left = {number: [(number + step) % count for step in range(count)] for number in range(count)}
    stack: list[int] = []
    while left[walk[-1]] or len(walk) > 1:
        if left[walk[-1]]:
            walk.append(left[walk[-1]].pop())
        else:
            stack.append(walk.pop())
    return [*walk, *reversed(stack)]


async def test_other_options_are_those_of_the_turn_for_every_earlier_option_of_the_thread(real: Real) -> None:
    """Every ordered pair of them, over the app-server, which remembers: rights, model and effort are those of a new thread."""
    stage = Stage(real, "app-server")
    stage.model = real.play([])
    stage.client = stage.new_client()
    fresh = []
    for given in OPTIONS:
        done = await stage.client.start_thread(options_of(stage, given)).run("go")
        fresh.append((done.rights, asked(stage)))
    walk = euler(len(OPTIONS))
    assert set(itertools.pairwise(walk)) == set(itertools.product(range(len(OPTIONS)), repeat=2))
    thread = stage.client.start_thread(options_of(stage, OPTIONS[walk[0]]))
    for before, number in zip([None, *walk], walk, strict=False):
        thread.options = options_of(stage, OPTIONS[number])
        done = await thread.run("go")
        assert (done.rights, asked(stage)) == fresh[number], f"{before} -> {number}"


@pytest.mark.parametrize("given", OPTIONS)
async def test_options_mean_the_same_over_both_transports(real: Real, given: dict[str, Any]) -> None:
    results = []
    for transport in BOTH:
        stage = Stage(real, transport)
        _, done = await stage.run(stage.client.start_thread(options_of(stage, given)))
        assert done.rights is not None
        results.append((done.rights.model_dump_json().replace(str(stage.outside.parent), "ABOVE"), asked(stage)))
    assert results[0] == results[1]
