"""Read the configuration files of Codex."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Any, Final, Self

from codex_jupyter.sdk.file_state import file_state, shows_changes

SYSTEM_CONFIG: Final = Path("/etc/codex/config.toml")
"""The configuration of all users of a machine."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file as it was read. Create it with `ConfigFile.read`."""

    path: str | Path
    content: Mapping[str, Any]
    """Empty if it cannot be read. The CLI reports that itself."""
    state: object
    """Equal to a later state only if the file has not changed in between. None if it could not be read."""
    is_known: bool = True
    """False if the file has a text that cannot be parsed here. The CLI may be able to: it also accepts newer forms of TOML."""

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a file. Blocks for a moment.

        Args:
            path: The file, which may not exist.
        """
        state: object = None
        try:
            with open(path, "rb") as stream:
                state = _state(stream.fileno())  # before the text: a change meanwhile is then noticed later
                return cls(path, parse_toml(stream.read()), state)
        except ValueError:
            return cls(path, {}, state, is_known=state is None)
        except OSError:
            return cls(path, {}, None)

    @property
    def is_current(self) -> bool:
        """True if the file is still as it was read. False if that cannot be known."""
        try:
            handle = os.open(self.path, os.O_RDONLY)  # not `os.stat`, whose answer can be outdated on a network drive
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return self.state is None
        except OSError:
            return False
        try:
            return self.state == _state(handle)
        finally:
            os.close(handle)


def parse_toml(data: bytes) -> dict[str, Any]:
    """Parse the contents of a file. A byte order mark is skipped, as the CLI does.

    Args:
        data: The contents.

    Raises:
        ValueError: If they are not TOML 1.0.
    """
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("The tables and lists are nested too deeply.") from error


def read_user_config(home: Path) -> ConfigFile:
    """Read the user's configuration in a CODEX_HOME. See `ConfigFile.read`."""
    return ConfigFile.read(os.path.join(home, "config.toml"))


def _state(handle: int) -> object:
    status = os.fstat(handle)
    return file_state(status) if shows_changes(status, time_ns()) else object()
