"""The administrator's ceiling caps every axis, and fails closed."""

from pathlib import Path

import pytest
from IPython.core.error import UsageError

from codex_jupyter.notebook.consent.ceiling import Ceiling, load_ceiling
from codex_jupyter.notebook.consent.presets import AXES, PRESETS, Rights


@pytest.fixture
def ceiling(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text('[ceiling]\nsandbox = "workspace-write"\napproval = "on-request"\nkernel = "ask"\ncells = "review"\n')
    return file


def test_without_a_file_there_are_no_limits(tmp_path: Path) -> None:
    for preset in PRESETS.values():
        assert load_ceiling(tmp_path / "none" / "config.toml").capped(preset.rights) == preset.rights
    assert Ceiling().capped(Rights()) == Rights()


def test_a_byte_order_mark_is_skipped(ceiling: Path) -> None:
    """Some editors write it."""
    rights = load_ceiling(ceiling).capped(Rights())
    ceiling.write_bytes(b"\xef\xbb\xbf" + ceiling.read_bytes())
    assert load_ceiling(ceiling).capped(Rights()) == rights


@pytest.mark.parametrize("preset", ["read-only", "ask"])
def test_presets_up_to_the_ceiling_stay_as_they_are(ceiling: Path, preset: str) -> None:
    rights = {**PRESETS}[preset].rights  # type: ignore[index]
    assert load_ceiling(ceiling).capped(rights) == rights


@pytest.mark.parametrize(
    ("axis", "value", "choices"),
    [
        ("sandbox", "danger-full-access", "workspace-write or read-only"),
        ("approval", "on-failure", "on-request or untrusted or never"),
        ("kernel", "once", "ask or read or off"),
        ("kernel", "run", "ask or read or off"),
        ("cells", "apply", "review or propose"),
    ],
)
def test_more_than_the_ceiling_is_one_line_that_names_it(ceiling: Path, axis: str, value: str, choices: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_ceiling(ceiling).capped(Rights(**{axis: value}))
    message = str(raised.value)
    assert message.startswith(f"{axis} {value} is above the administrator's ceiling, {axis} ")
    assert str(ceiling) in message
    assert message.endswith(f"Choose {choices}.")
    assert "\n" not in message


def test_below_a_ceiling_what_is_not_set_cannot_be_more_than_it(ceiling: Path) -> None:
    """The sandbox of Codex's own configuration may be more."""
    assert load_ceiling(ceiling).capped(Rights()) == Rights(sandbox="read-only")
    assert Ceiling(Rights(kernel="off")).capped(Rights()) == Rights(kernel="off")


@pytest.mark.parametrize(
    "text",
    [
        "[ceiling",
        "[ceilings]",
        "kernel = 'read'",
        "[ceiling]\nkernels = 'read'",
        "[ceiling]\nkernel = 'lots'",
        "[ceiling]\nkernel = 4",
        "ceiling = 1",
    ],
)
def test_a_file_that_cannot_be_used_stops_every_prompt(ceiling: Path, text: str) -> None:
    ceiling.write_text(text)
    with pytest.raises(UsageError, match="cannot be used, so no prompt runs"):
        load_ceiling(ceiling)


def test_a_file_that_cannot_be_read_stops_every_prompt(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read, so no prompt runs: .*Check the path"):
        load_ceiling(tmp_path)


def test_every_axis_is_ordered_from_the_least_to_the_most() -> None:
    for axis, values in AXES.items():
        most = Ceiling(Rights(**{axis: values[0]}))
        assert most.choices(axis) == values[:1]
