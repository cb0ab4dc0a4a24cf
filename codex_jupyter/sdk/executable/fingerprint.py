"""Detect changes of what an app-server reads at its start: the environment, the login, the configuration and the executable.

A server reads them when it starts, or when it loads a thread. So a change takes effect when another server is started. The CLI writes to
these files while it runs: refreshed tokens, trusted folders, notices, and permanent approvals. That does not count as a change, but it is
one if such a right is taken away. The contents are kept as digests, because they include secrets.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from codex_jupyter.sdk.executable.config_files import SYSTEM_CONFIG, parse_toml
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.file_state import file_state

_WRITTEN_BY_CLI: Final = ("notice", "tui")
"""Tables of `config.toml` into which the CLI writes by itself."""
_IDENTITY: Final = ("sub", "email")
"""Claims of a token that identify the user. The others change with each refresh."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A state of everything that a server depends on."""

    executable: tuple[object, ...]
    """Path and state of the file."""
    home: str
    """The CODEX_HOME without links: a link to it, or the current folder that its path depends on, can change."""
    environment: str
    login: str
    configuration: str
    grants: frozenset[str]
    """The permanent approvals of the user, and the trust in folders."""

    def outdate(self, later: "Surroundings") -> bool:
        """Return True if a server that was started in this state must be replaced in a later state.

        A new grant was written by the server itself, so it is not a change. A removed grant is.
        """
        return replace(self, grants=later.grants) != later or not self.grants <= later.grants


def surroundings(cli: CodexCli, env: Mapping[str, str], home: Path) -> Surroundings:
    """Return the current state of everything that a server depends on. Blocks for about a millisecond.

    Args:
        cli: The executable.
        env: The environment of the server.
        home: The CODEX_HOME of the server.
    """
    config = _read_toml(home / "config.toml")
    grants = frozenset([*_taken_approvals(config), *_taken_trust(config), *_rules(home)])
    for table in _WRITTEN_BY_CLI:
        config.pop(table, None)
    configuration = _digest([config, _read_toml(SYSTEM_CONFIG)])
    executable: tuple[object, ...] = (str(cli.path),)
    with suppress(OSError):
        executable += file_state(cli.path.stat())
    return Surroundings(executable, os.path.realpath(home), _digest(dict(env)), _digest(_login(home)), configuration, grants)


def _read_toml(path: Path) -> dict[str, Any]:
    """Read a file. The result for a damaged file depends on its text, so that a correction is a change."""
    data = b""
    try:
        data = path.read_bytes()
        return parse_toml(data)
    except ValueError:
        return {"damaged": hashlib.sha256(data).hexdigest()}
    except OSError:
        return {}


def _taken_approvals(config: dict[str, Any]) -> Iterator[str]:
    """Remove the approvals of tools from a configuration, and yield them."""
    for name, server in _tables(config.get("mcp_servers")):
        for tool, settings in _tables(server.get("tools")):
            if settings.get("approval_mode") == "approve":
                yield f"tool {name} {tool}"
                del settings["approval_mode"]
                if not settings:
                    del server["tools"][tool]
        if server.get("tools") == {}:
            del server["tools"]


def _taken_trust(config: dict[str, Any]) -> Iterator[str]:
    """Remove the trust in folders from a configuration, and yield it."""
    for folder, settings in _tables(config.pop("projects", None)):
        yield f"trust {folder} {settings.get('trust_level')}"


def _tables(value: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(name, table) for name, table in value.items() if isinstance(table, dict)] if isinstance(value, dict) else []


def _rules(home: Path) -> Iterator[str]:
    """Yield the lines of the rules for commands. The CLI writes approvals there."""
    for path in sorted((home / "rules").glob("*.rules")):
        with suppress(OSError):
            yield from (f"{path.name} {line.strip()}" for line in path.read_text(encoding="utf-8", errors="replace").splitlines())


def _login(home: Path) -> Any:
    """Return the user and the kind of the login in `auth.json`, without the tokens, which the CLI refreshes."""
    try:
        stored = json.loads((home / "auth.json").read_text(encoding="utf-8"))
        tokens = stored.get("tokens") or {}
        plain = {name: value for name, value in stored.items() if isinstance(value, str) and name != "last_refresh"}
        return [plain, tokens.get("account_id"), _claims(tokens.get("id_token"))]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError):
        return "damaged"


def _claims(token: Any) -> Any:
    """Return the claims of a JSON Web Token that identify the user."""
    if not isinstance(token, str) or token.count(".") != 2:
        return token
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==="))
        return [claims.get(name) for name in _IDENTITY]
    except (ValueError, AttributeError):
        return None


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()
