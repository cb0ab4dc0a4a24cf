"""The variables, files and settings that a turn of `codex exec` depends on. Unchanged ones are not read again, except those of profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from codex_jupyter.sdk.executable.config_files import SYSTEM_CONFIG, ConfigFile, read_user_config
from codex_jupyter.sdk.executable.environment import child_environment, client_settings, own_overrides
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.executable.secret_settings import PlacedSettings, for_process
from codex_jupyter.sdk.models.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.rollouts import codex_home
from codex_jupyter.sdk.transports.config_defaults import override, projects_of
from codex_jupyter.sdk.transports.secrets import secrets


@dataclass(frozen=True, slots=True)
class TurnEnvironment:
    """The environment of one turn. Create it with `TurnEnvironment.read`."""

    cli: CodexCli
    variables: dict[str, str]
    """The environment variables of the CLI, without those that carry secrets."""
    home: Path
    """The CODEX_HOME."""
    user: ConfigFile
    """The user's configuration."""
    system: ConfigFile
    """The configuration of all users of the machine."""
    settings: tuple[str, ...]
    """The settings of the client and the thread as `key=value` texts, later ones win. They can contain secrets."""
    placed: PlacedSettings
    """Where the settings go."""
    secrets: tuple[str, ...]
    """Texts that no message may contain."""

    @classmethod
    def read(cls, client: CodexOptions, thread: ThreadOptions, cli: CodexCli, last: Self | None = None) -> Self:
        """Read the environment of a turn. Blocks for a moment.

        Args:
            client: The client's options.
            thread: The options of the turn's thread.
            cli: The executable.
            last: The environment of an earlier turn of this client. It is returned if nothing that it was read from has changed.

        Raises:
            ConfigError: If a setting cannot be read, or contains a secret that could only be passed as an argument.
        """
        variables, overrides = child_environment(client, cli), own_overrides(thread)
        settings = tuple(client_settings(client, variables, overrides))
        if last is not None and last._is_current(cli, variables, settings):
            return last
        home = codex_home(variables)
        user, system = read_user_config(home), ConfigFile.read(SYSTEM_CONFIG)
        placed = for_process(settings, variables, user.content)
        return cls(cli, variables, home, user, system, settings, placed, secrets(client, variables, overrides, user.content))

    def _is_current(self, cli: CodexCli, variables: Mapping[str, str], settings: Sequence[str]) -> bool:
        """Return True if everything that this environment was read from is as it was."""
        same = (self.cli, self.variables, self.settings) == (cli, variables, settings)
        return same and self.user.is_current and self.system.is_current

    def configuration(self, profile: str | None) -> dict[str, Any]:
        """Return the configuration of the system and the user, with all overrides, but without that of the folder.

        Args:
            profile: The user's configuration profile of the turn. None selects none.
        """
        config = {**self.system.content, **self.user.content}
        if profile is not None:
            config |= ConfigFile.read(self.home / f"{profile}.config.toml").content
        override(config, self.settings)
        return config

    @property
    def decided_projects(self) -> frozenset[str]:
        """The folders in the table `projects` of the user's and the system's configuration."""
        return projects_of(self.user.content, self.system.content)
