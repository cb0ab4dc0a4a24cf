"""The variables, files and settings that a turn of `codex exec` depends on. Each is read once per turn."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from codex_jupyter.sdk.executable.config_flags import read_config_file, read_toml
from codex_jupyter.sdk.executable.environment import child_environment, client_settings, own_overrides
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.executable.secret_settings import PlacedSettings, for_process
from codex_jupyter.sdk.models.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.rollouts import codex_home
from codex_jupyter.sdk.transports.config_defaults import SYSTEM_CONFIG, override, projects_of
from codex_jupyter.sdk.transports.secrets import secrets


@dataclass(frozen=True, slots=True)
class TurnEnvironment:
    """The environment of one turn. Create it with `TurnEnvironment.read`."""

    cli: CodexCli
    variables: dict[str, str]
    """The environment variables of the CLI, without those that carry secrets."""
    home: Path
    """The CODEX_HOME."""
    user: Mapping[str, Any]
    """The contents of the user's `config.toml`."""
    system: Mapping[str, Any]
    """The contents of the configuration of all users of the machine."""
    settings: tuple[str, ...]
    """The settings of the client and the thread as `key=value` texts, later ones win. They can contain secrets."""
    placed: PlacedSettings
    """Where the settings go."""
    secrets: tuple[str, ...]
    """Texts that no message may contain."""

    @classmethod
    def read(cls, client: CodexOptions, thread: ThreadOptions, cli: CodexCli) -> Self:
        """Read the environment of a turn. Blocks for a moment.

        Args:
            client: The client's options.
            thread: The options of the turn's thread.
            cli: The executable.

        Raises:
            ConfigError: If a setting cannot be read, or contains a secret that could only be passed as an argument.
        """
        variables = child_environment(client, cli)
        home, overrides = codex_home(variables), own_overrides(thread)
        user, system = read_config_file(home), read_toml(SYSTEM_CONFIG)
        settings = tuple(client_settings(client, variables, overrides))
        placed = for_process(settings, variables, user)
        return cls(cli, variables, home, user, system, settings, placed, secrets(client, variables, overrides, user))

    def configuration(self, profile: str | None) -> dict[str, Any]:
        """Return the configuration of the system and the user, with all overrides, but without that of the folder.

        Args:
            profile: The user's configuration profile of the turn. None selects none.
        """
        config = {**self.system, **self.user}
        if profile is not None:
            config |= read_toml(self.home / f"{profile}.config.toml")
        override(config, self.settings)
        return config

    @property
    def decided_projects(self) -> frozenset[str]:
        """The folders in the table `projects` of the user's and the system's configuration."""
        return projects_of(self.user, self.system)
