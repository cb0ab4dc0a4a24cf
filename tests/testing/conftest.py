"""Runs the real CLI, in a folder of its own, against a scripted model."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from codex_cli_bin import bundled_codex_path

from codex_jupyter.testing import Script, ScriptedModel
from tests.catalogue import DIRECT
from tests.codex_home import used_home

LIMIT = 60.0
"""Seconds after which a CLI that should have ended counts as hanging."""


@dataclass(frozen=True)
class Run:
    """Results of one `codex exec`."""

    exit_code: int
    events: list[dict[str, Any]]
    stderr: str

    @property
    def items(self) -> list[dict[str, Any]]:
        """The completed items."""
        return [event["item"] for event in self.events if event["type"] == "item.completed"]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [item for item in self.items if item["type"] == kind]

    @property
    def messages(self) -> list[str]:
        return [item["text"] for item in self.of_type("agent_message")]

    @property
    def thread_id(self) -> str:
        return next(str(event["thread_id"]) for event in self.events if event["type"] == "thread.started")

    @property
    def usage(self) -> dict[str, int]:
        return next(dict(event["usage"]) for event in self.events if event["type"] == "turn.completed")


@dataclass
class Cli:
    """The bundled CLI, pointed at scripted models."""

    folder: Path
    model: str | None
    config: dict[str, Any] = field(default_factory=dict)
    extra_env: dict[str, str] = field(default_factory=dict)

    def start(self, provider: ScriptedModel, *arguments: str) -> "subprocess.Popen[str]":
        temporary = self.folder / "temporary"
        temporary.mkdir(exist_ok=True)
        command = [str(bundled_codex_path()), "exec", "--json", "--strict-config", "--skip-git-repo-check"]
        command += ["--sandbox", "workspace-write", "--cd", str(self.workspace), *arguments]
        if self.model is not None:
            command[2:2] = ["--model", self.model]
        for key, value in _flat(provider.config | self.config):
            command[2:2] = ["--config", f"{key}={value}"]
        return subprocess.Popen(
            [*command, "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # The home lies under the default temporary folder, where the CLI would warn about it.
            env=provider.env() | {"TMPDIR": str(temporary)} | self.extra_env,
            start_new_session=True,
        )

    def finish(self, process: "subprocess.Popen[str]", prompt: str = "") -> Run:
        try:
            out, err = process.communicate(prompt, timeout=LIMIT)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        return Run(process.returncode, [json.loads(line) for line in out.splitlines()], err)

    def __call__(self, provider: ScriptedModel, prompt: str, *arguments: str) -> Run:
        return self.finish(self.start(provider, *arguments), prompt)

    @property
    def workspace(self) -> Path:
        path = self.folder / "workspace"
        path.mkdir(exist_ok=True)
        return path


def _flat(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, json.dumps(value)  # these values read the same in JSON and TOML


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path, model=None)


@pytest.fixture(params=[None, DIRECT], ids=["default-model", "direct"])
def any_cli(tmp_path: Path, request: pytest.FixtureRequest) -> Cli:
    """The CLI with a model that calls tools from scripts, and with one that calls them directly."""
    return Cli(tmp_path, model=request.param)


@pytest.fixture
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., ScriptedModel]]:
    """Start scripted models that are closed after the test. Their home was used before if the test starts the CLI."""
    home = tmp_path / "home"
    if {"cli", "any_cli"} & set(request.fixturenames):
        used_home(home)
    with ExitStack() as stack:

        def start(script: Script, **options: Any) -> ScriptedModel:
            return stack.enter_context(ScriptedModel(script, codex_home=home, **options))

        yield start
