"""Settings of Codex that hold secrets. They never become arguments, which every user of the machine can read.

A setting is a secret by its place (headers, query parameters, the environment of a tool), by its name, or by the form of its value. Names
and forms are those of `redaction`. `codex exec` gets such a value in an environment variable, if Codex has a setting that names one.
`codex app-server` gets it over its standard input, with each thread. If neither is possible, the setting is refused.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.executable.config_flags import is_plain, override_of, parse_override, render_config_flags
from codex_jupyter.sdk.redaction import has_password_option, is_secret_name, is_secret_text

VARIABLE: Final = "CODEX_JUPYTER_SECRET_"
"""Prefix of the environment variables that carry secrets to `codex exec`."""

Key: TypeAlias = tuple[str, ...]
"""The parts of a setting's dotted key."""

_SECRET_TABLES: Final = frozenset({"http_headers", "headers", "query_params", "env"})
"""Tables whose values all count as secrets."""
_NOT_SECRET: Final = re.compile(r"(?:^auth|(?:^|_)env_(?:key|var)|_(?:env|store|method|file|path|url|instructions))$")
"""Names that sound like a secret, and hold the name of a variable, of a file or of a method."""
_PATHS_AS_KEYS: Final = frozenset({"permissions", "projects", "features"})
"""Tables whose keys are paths, hosts or features: their names say nothing."""
_OF_A_THREAD: Final = frozenset({"model_providers", "mcp_servers", "shell_environment_policy", "openai_base_url"})
"""Settings that take effect when they come with a thread; others are read when the process starts."""
_HARMLESS: Final = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|TERM|SHELL|USER|LOGNAME|TMPDIR|TMP|TEMP|PYTHONPATH|PYTHONUNBUFFERED|NODE_PATH|NODE_ENV|VIRTUAL_ENV|CONDA_PREFIX"
)
"""Variables of an MCP server that may be arguments, because a secret has no place in them."""
_OF_CODEX: Final = re.compile(r"(?i)(?:CODEX|OPENAI(?!_API_KEY$)|RUST|OTEL|LD|DYLD|AWS|AZURE|SSL_CERT)_\w+|\w*_?proxy|HOME|PATH|TMPDIR")
"""Variables that Codex itself reads: one for an MCP server would change Codex, too."""
_NAMED_VALUE: Final = re.compile(r"(?i)(?<![\w-])([\w-]+)(?:=|:[ ]+)[\"']?(?=((?:(?:bearer|basic|token)[ ]+)?[^\s\"']+))")
"""`name=value` and `name: value` in an argument. A value can hold another pair, as `--env=NAME=value` does."""
_VALUE: Final = re.compile(r"(?i)(?:(?:bearer|basic|token)\s+)?+[\w+/~@#^&!.]")
"""Start of a value that is not an option, a placeholder or a reference to a variable."""
_HEADER_OPTIONS: Final = ("-H", "--header", "--headers")
_SCHEME: Final = re.compile(r"(?i)(?:bearer|basic|token|apikey)\s+(\S+)")


class SecretSettingError(ConfigError):
    """A setting holds a secret that could be passed on only as an argument."""


@dataclass(slots=True)
class PlacedSettings:
    """Where the settings of a process or of a thread go."""

    flags: list[str] = field(default_factory=list)
    """`key=value` texts for `--config`. There is no secret in them."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment variables that carry secrets to the CLI. They are kept from the agent's commands by `flags`."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Settings by their dotted keys, for the `config` of `thread/start`, `thread/resume` and `thread/fork`."""


def for_process(overrides: Sequence[str], env: Mapping[str, str], file: Mapping[str, Any] | None = None) -> PlacedSettings:
    """Place settings for `codex exec`: what is secret goes into environment variables.

    Args:
        overrides: `key=value` texts, later ones win.
        env: The environment that the CLI will have.
        file: The contents of `config.toml`, whose lists of variables are kept.

    Raises:
        ConfigError: If there is a secret that Codex does not take from an environment variable, or an override cannot be read.
    """
    placed, passed_on = PlacedSettings(), dict[str, list[str]]()
    for override in overrides:
        path, value = parse_override(override)
        rest, secrets = _separated(path, value)
        if not secrets:
            placed.flags.append(override)
            continue
        for leaf, secret in secrets:
            if leaf[0] == "mcp_servers" and len(leaf) == 4 and leaf[2] == "env":
                _put_variable(leaf, secret, env, rest, placed, passed_on)
            else:
                name = f"{VARIABLE}{len(placed.env) + 1}"
                _put(rest, _with_variable(leaf, secret), name)
                placed.env[name] = secret
        placed.flags += _rendered(path, rest)
    for server, names in passed_on.items():
        given = _variables_of(server, overrides, file or {})
        placed.flags.append(override_of(("mcp_servers", server, "env_vars"), [*given, *(name for name in names if name not in given)]))
    # After the policy of the user, so that it applies. The user decides about variables that the user has set.
    placed.flags += [f'shell_environment_policy.set.{name}=""' for name in placed.env if name not in env]
    return placed


def for_server(overrides: Sequence[str]) -> PlacedSettings:
    """Place settings for `codex app-server`: secrets are sent with each thread.

    Args:
        overrides: `key=value` texts of the process, later ones win.

    Raises:
        ConfigError: If a secret setting does not take effect when it comes with a thread, or an override cannot be read.
    """
    placed = PlacedSettings()
    for override in overrides:
        path, value = parse_override(override)
        rest, secrets = _separated(path, value)
        if not secrets:
            placed.flags.append(override)
            continue
        for leaf, secret in secrets:
            if leaf[0] not in _OF_A_THREAD or not is_plain(leaf):
                raise SecretSettingError(
                    f"{_named(leaf)} holds a secret, which would be readable by every user of this machine: {_IN_THE_FILE}"
                )
            leaf, secret = with_header(leaf, secret)
            placed.parameters[".".join(leaf)] = secret
        placed.flags += _rendered(path, rest)
    return placed


def with_header(path: Key, value: Any) -> tuple[Key, Any]:
    """Return a setting in a form that a thread accepts: Codex accepts the bearer token of an MCP server as a header only.

    Args:
        path: The parts of the setting's key.
        value: Its value.
    """
    if isinstance(value, Mapping):
        changed: dict[str, Any] = {}
        for leaf, inner in _leaves((), _tree(path, value)):
            _put(changed, *with_header(leaf, inner))
        for key in path:
            changed = changed.get(key, {})
        return path, changed
    match (*path, value):
        case ("mcp_servers", server, "bearer_token", str()):
            return ("mcp_servers", server, "http_headers", "Authorization"), f"Bearer {value}"
    return path, value


def secret_values(overrides: Sequence[str], env: Mapping[str, str], file: Mapping[str, Any] | None = None) -> list[str]:
    """Return the secrets of settings, and of the environment variables that they name.

    Args:
        overrides: `key=value` texts. A text that cannot be read counts as secret as a whole.
        env: The environment of the CLI.
        file: The contents of `config.toml`.
    """
    values: list[str] = []
    trees = [_tree((), file or {})]
    for override in overrides:
        try:
            trees.append(_tree(*parse_override(override)))
        except ConfigError:
            values += [override, override.partition("=")[2].strip()]
    for tree in trees:
        for path, value in _leaves((), tree):
            if _is_secret(path, value):
                values += _texts(value)
            elif path[-1] == "env_vars" or re.search(r"(?:^|_)env_(?:key|var)$", path[-1]) or "env_http_headers" in path:
                values += [env.get(name, "") for name in _texts(value)]
    values += [value for text in values for name, value in _NAMED_VALUE.findall(text) if _is_secret_pair(name, value)]
    return [*values, *(match[1] for text in values if (match := _SCHEME.fullmatch(text.strip())))]


_IN_THE_FILE: Final = "put it into the config.toml of Codex."


def _named(path: Key) -> str:
    return "The setting " + ".".join(path)


def _separated(path: Key, value: Any) -> tuple[dict[str, Any], list[tuple[Key, Any]]]:
    """Return a setting as a tree without its secrets, and the secrets with their paths."""
    rest: dict[str, Any] = {}
    secrets = []
    for leaf, inner in _leaves((), _tree(path, value)):
        if _is_secret(leaf, inner):
            secrets.append((leaf, inner))
        else:
            _put(rest, leaf, inner)
    return rest, secrets


def _is_secret(path: Key, value: Any) -> bool:
    if isinstance(value, list):
        inner = [(leaf, inner) for item in value for leaf, inner in _leaves(path, item)]
        return _has_secret_argument(value) or any(_is_secret(leaf, item) for leaf, item in inner)
    if not isinstance(value, str) or not value:
        return False
    if path[-1] == "command" and _has_secret_argument(value.split()):
        return True
    parent = path[-2] if len(path) > 1 else ""
    if path[-1] in _SECRET_TABLES:
        return True  # a text where a table belongs: the CLI would repeat it
    if parent == "env_http_headers" or path[0] in _PATHS_AS_KEYS:
        return is_secret_text(value)
    if parent == "env" and _HARMLESS.fullmatch(path[-1]):
        return is_secret_text(value)
    named = _has_secret_name(path[-1]) and is_plain(path[-1:])
    return parent in _SECRET_TABLES or named or is_secret_text(value)


def _has_secret_name(name: str) -> bool:
    return is_secret_name(name) and not _NOT_SECRET.search(name.lstrip("-").replace("-", "_"))


def _has_secret_argument(arguments: Sequence[Any]) -> bool:
    """Return whether arguments of a program hold a secret: after an option, or as the value of a variable or of a header."""
    texts = [str(argument) for argument in arguments]
    for text, following in zip(texts, [*texts[1:], "-"], strict=False):
        header, _, value = following.partition(":")
        if text.startswith("-") and "=" not in text and _is_secret_pair(text, following):
            return True
        if text in _HEADER_OPTIONS and _is_secret_pair(header, value.strip()):
            return True
        if any(_is_secret_pair(*pair) for pair in _NAMED_VALUE.findall(text)):
            return True
    return has_password_option(" ".join(texts))


def _is_secret_pair(name: str, value: str) -> bool:
    """Return whether a value is the secret that its name says. What only refers to a variable, such as `${TOKEN}`, is not."""
    if not _has_secret_name(name) or not _VALUE.match(value):
        return False
    return not re.fullmatch(r"\d{1,6}", value) or is_secret_name(name, grave=True)


def _with_variable(path: Key, value: Any) -> Key:
    """Return the setting that names the environment variable of a secret.

    Raises:
        ConfigError: If Codex has none.
    """
    match (*path, value):
        case ("model_providers", provider, "experimental_bearer_token", str()):
            return ("model_providers", provider, "env_key")
        case ("model_providers" | "mcp_servers" as kind, name, "http_headers", header, str()):
            return (kind, name, "env_http_headers", header)
        case ("mcp_servers", server, "bearer_token", str()):
            return ("mcp_servers", server, "bearer_token_env_var")
    remedy = f"use the transport 'app-server', or {_IN_THE_FILE}" if path[0] in _OF_A_THREAD else _IN_THE_FILE
    raise SecretSettingError(
        f"{_named(path)} holds a secret, which the transport 'exec' could pass on only as an argument, readable by every user of this "
        f"machine: {remedy}"
    )


def _put_variable(
    path: Key, value: str, env: Mapping[str, str], rest: dict[str, Any], placed: PlacedSettings, passed_on: dict[str, list[str]]
) -> None:
    """Give an MCP server a variable through the environment of Codex.

    Raises:
        ConfigError: If the variable has another value there, or a meaning for Codex itself.
    """
    _, server, _, name = path
    present = {**env, **placed.env}.get(name)
    if (present is not None and present != value) or _OF_CODEX.fullmatch(name) or not is_plain((server, name)):
        why = "has another value in the environment of Codex" if present is not None else "would change Codex itself"
        raise SecretSettingError(
            f"{_named(path)} may hold a secret, which the transport 'exec' could pass on only in the environment of Codex, "
            f"and there it {why}: use the transport 'app-server', or {_IN_THE_FILE}"
        )
    placed.env[name] = value
    passed_on.setdefault(server, []).append(name)


def _variables_of(server: str, overrides: Sequence[str], file: Mapping[str, Any]) -> list[Any]:
    """Return the variables that an MCP server gets anyway: those of the last override with such a list, or of the file."""
    wanted = ("mcp_servers", server, "env_vars")
    lists = [value for path, value in _leaves((), _tree((), file)) if path == wanted]
    for override in overrides:
        lists += [value for path, value in _leaves((), _tree(*parse_override(override))) if path == wanted]
    return list(lists[-1]) if lists else []


def _rendered(path: Key, tree: dict[str, Any]) -> list[str]:
    """Return a changed setting as texts: the rest of its table, and the settings that were added elsewhere."""
    *parents, last = path
    holder = tree
    for key in parents:
        holder = holder.get(key, {})
    left = holder.pop(last, {})
    flags = [override_of(path, left)] if left != {} else []
    added: dict[str, Any] = {}
    for leaf, value in _leaves((), tree):
        if value != {}:
            _put(added, leaf, value)
    return flags + render_config_flags(added)


def _tree(path: Key, value: Any) -> dict[str, Any]:
    tree: Any = value
    for key in reversed(path):
        tree = {key: tree}
    return tree if isinstance(tree, dict) else {}


def _leaves(path: Key, value: Any) -> Iterator[tuple[Key, Any]]:
    """Go through the values of a tree; an empty table is a value."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves((*path, str(key)), inner)
    elif path:
        yield path, value


def _put(tree: dict[str, Any], path: Key, value: Any) -> None:
    for key in path[:-1]:
        inner = tree.get(key)
        if not isinstance(inner, dict):
            inner = tree[key] = {}
        tree = inner
    tree[path[-1]] = value


def _texts(value: Any) -> list[str]:
    """Return the texts in a value."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for item in inner for text in _texts(item)]
