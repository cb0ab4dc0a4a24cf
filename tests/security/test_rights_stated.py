"""Every combination of what decides about the rights of a turn, and what the CLI is sent: arguments over `exec`, else parameters."""

import itertools
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_jupyter.sdk import CodexOptions, TextInput, ThreadOptions, TurnRequest
from codex_jupyter.sdk.transports.app_server.parameters import thread_parameters, turn_parameters
from codex_jupyter.sdk.transports.config_defaults import Defaults
from codex_jupyter.sdk.transports.exec.arguments import exec_arguments
from codex_jupyter.sdk.transports.permission_profile import PROFILE, Rights, Shield, rights_of

FOLDER = Path("/work/folder")
EXTRA = Path("/work/extra")
KEPT = FOLDER / ".venv"
ENV = {"TMPDIR": "/var/scratch"}
CONFIGS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "read-only": {"sandbox_mode": "read-only"},
    "workspace-write": {"sandbox_mode": "workspace-write"},
    "a wide workspace-write": {
        "sandbox_mode": "workspace-write",
        "sandbox_workspace_write": {"network_access": True, "writable_roots": ["/work/more"], "exclude_slash_tmp": True},
    },
    "danger-full-access": {"sandbox_mode": "danger-full-access"},
    "a profile": {"default_permissions": "mine", "permissions": {"mine": {"extends": ":workspace"}}},
    "the profile :read-only": {"default_permissions": ":read-only"},
}
PROFILES = {"read-only": ":read-only", "workspace-write": ":workspace", "danger-full-access": ":danger-full-access"}


def combinations() -> Iterator[tuple[ThreadOptions, Defaults, str]]:
    """Options, the configuration, and the profile that must decide."""
    choices = itertools.product((None, *PROFILES), (None, False, True), ((), (EXTRA,)), ((), (KEPT,)), CONFIGS, (False, True))
    for mode, network, additional, kept, name, trusted in choices:
        options = ThreadOptions(
            sandbox_mode=mode,
            network_access_enabled=network,
            additional_directories=additional,
            read_only_paths=kept,
            working_directory=FOLDER,
        )
        config = {**CONFIGS[name], "projects": {str(FOLDER): {"trust_level": "trusted"}} if trusted else None}
        configured = config.get("default_permissions") or PROFILES.get(str(config.get("sandbox_mode")))
        expected = PROFILES[mode] if mode else configured or (":workspace" if trusted else ":read-only")
        yield options, Defaults.of({"config": config}, options), expected


def base(rights: Rights) -> str:
    """The profile that decides, behind ours."""
    return rights.profile if rights.definition is None else str(rights.definition["extends"])


def test_the_server_is_sent_all_rights_in_every_combination() -> None:
    """With a thread and with a turn: profile, workspace, reviewer and approvals; and never a sandbox mode, which would win over them."""
    for options, defaults, expected in combinations():
        rights = rights_of(options, defaults, ENV)
        request = TurnRequest(input=(TextInput(text="go"),), options=options)
        sent = thread_parameters(options, defaults, rights)
        turn = turn_parameters(request, "id", (), defaults, rights, "m")
        assert base(rights) == expected
        for parameters in (sent, turn):
            assert parameters["permissions"] == rights.profile
            assert parameters["runtimeWorkspaceRoots"][0] == parameters["cwd"] == str(FOLDER)
            assert (str(EXTRA) in parameters["runtimeWorkspaceRoots"]) == bool(options.additional_directories)
            assert parameters["approvalsReviewer"] == "user"
            assert parameters["approvalPolicy"] == "never"
            assert not {"sandbox", "sandboxPolicy"} & set(parameters)
        assert turn["model"] == "m"
        assert sent.get("config", {}).get(f"permissions.{PROFILE}") == rights.definition
        decided = sent.get("config", {}).get("projects")
        assert (decided is not None) == (rights.writes and not defaults.projects)


def test_our_profile_says_all_that_the_mode_would_have_said() -> None:
    """The settings of `workspace-write` hold for that mode, and for no profile."""
    for options, defaults, expected in combinations():
        rights = rights_of(options, defaults, ENV)
        wanted = dict(rights.definition or {})
        by_mode = expected == ":workspace" and (options.sandbox_mode is not None or defaults.profile is None)
        workspace = defaults.workspace if by_mode else {}
        network = options.network_access_enabled if options.network_access_enabled is not None else workspace.get("network_access")
        assert wanted.get("network", {}).get("enabled", False) == bool(by_mode and network)
        assert ("/work/more" in rights.folders) == bool(by_mode and workspace)
        entries = wanted.get("filesystem", {})
        assert (entries.get(":slash_tmp") == "read") == bool(by_mode and workspace)
        protects = bool(options.read_only_paths) and expected in (":workspace", "mine")
        assert (entries.get(str(KEPT)) == "read") == protects
        assert rights.exposed == ((KEPT,) if protects else ())


def test_exec_is_never_given_both_a_sandbox_mode_and_a_profile() -> None:
    """The mode would win silently, and the read-only paths would be writable."""
    for options, defaults, _ in combinations():
        rights = rights_of(options, defaults, ENV)
        request = TurnRequest(input=(TextInput(text="go"),), options=options)
        arguments = exec_arguments(request, CodexOptions(), env={}, rights=rights)
        stated = tomllib.loads("\n".join(value for name, value in itertools.pairwise(arguments) if name == "--config"))
        if rights.definition is None:
            assert ("--sandbox" in arguments) == (options.sandbox_mode is not None)
            assert "permissions" not in stated
        else:
            assert "--sandbox" not in arguments
            assert "sandbox_workspace_write" not in stated
            assert stated["default_permissions"] == PROFILE
            assert stated["permissions"] == {PROFILE: json.loads(json.dumps(rights.definition))}
            added = [value for name, value in itertools.pairwise(arguments) if name == "--add-dir"]
            assert added == list(rights.folders[1:])


@pytest.mark.parametrize("text", ["default_permissions=':read-only'", "sandbox_mode='read-only'"])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_setting_of_the_cell_wins_over_the_files(name: str, text: str) -> None:
    options = ThreadOptions(working_directory=FOLDER, config_overrides=(text,))
    assert rights_of(options, Defaults.of({"config": CONFIGS[name]}, options), ENV).profile == ":read-only"


@pytest.mark.parametrize("swapped", [False, True])
def test_of_a_mode_and_a_profile_in_different_files_the_higher_one_counts(swapped: bool) -> None:
    layers = [{"config": {"sandbox_mode": "danger-full-access"}}, {"config": {"default_permissions": ":read-only"}}]
    merged = {**layers[0]["config"], **layers[1]["config"]}
    answer = {"config": merged, "layers": layers[::-1] if swapped else layers}
    rights = rights_of(ThreadOptions(working_directory=FOLDER), Defaults.of(answer, ThreadOptions()), ENV)
    assert rights.profile == (":read-only" if swapped else ":danger-full-access")


NAMES = st.lists(st.sampled_from("abc"), max_size=4).map(lambda parts: "/".join(["/x", *parts]))


@settings(max_examples=300, deadline=None)
@given(paths=st.lists(NAMES, max_size=4), roots=st.lists(NAMES, min_size=1, max_size=3))
def test_no_protected_path_can_be_written_moved_or_replaced(paths: list[str], roots: list[str]) -> None:
    """At any depth: a folder above it that the agent can write to cannot be renamed, because it is mounted itself."""
    entries = Shield.over(map(Path, paths), roots).entries
    access = {**dict.fromkeys(roots, "write"), **entries}

    def governing(path: str) -> str:
        """Return the access of a path: that of the nearest entry."""
        above = [entry for entry in access if path == entry or path.startswith(f"{entry}/")]
        return access[max(above, key=len)] if above else "read"

    for path in set(paths) - set(roots):
        assert governing(path) == "read"
        for folder in map(str, Path(path).parents):
            renamable = folder not in access and governing(folder) == "write"
            assert not renamable, (folder, path, entries)
    for root in roots:
        assert governing(root) == "write"


def test_a_link_that_the_agent_could_replace_is_reported(tmp_path: Path) -> None:
    """The target of the link is protected if it is in a writable folder."""
    (tmp_path / "real/lib").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    shield = Shield.over([tmp_path / "link/lib", tmp_path / "real"], [str(tmp_path)])
    assert shield.unprotected == (tmp_path / "link/lib",)
    assert {path for path, access in shield.entries.items() if access == "read"} == {str(tmp_path / "real")}


def test_a_link_inside_of_what_is_protected_is_protected_with_it(tmp_path: Path) -> None:
    """As `lib64` of a virtual environment is."""
    (tmp_path / "env/lib").mkdir(parents=True)
    (tmp_path / "env/lib64").symlink_to("lib")
    shield = Shield.over([tmp_path / "env", tmp_path / "env/lib64"], [str(tmp_path)])
    assert (shield.unprotected, shield.entries) == ((), {str(tmp_path / "env"): "read"})


def test_folders_and_paths_have_the_same_names(tmp_path: Path) -> None:
    """The CLI would mount a folder by one name over an entry by another name."""
    (tmp_path / "real/env").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    for path in (tmp_path / "real/env", tmp_path / "link/env"):
        options = ThreadOptions(sandbox_mode="workspace-write", working_directory=tmp_path / "link", read_only_paths=[path])
        rights = rights_of(options, Defaults.of({}, options), {})
        assert rights.folders == (str(tmp_path / "real"),)
        assert rights.definition is not None
        assert rights.definition["filesystem"][str(tmp_path / "real/env")] == "read"
