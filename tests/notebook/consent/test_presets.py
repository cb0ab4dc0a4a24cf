"""Presets of rights, and how they combine with options and settings of single axes."""

from types import SimpleNamespace
from typing import Any, get_args

import pytest

from codex_jupyter._choices import ApprovalMode
from codex_jupyter.notebook.consent.presets import AXES, PRESETS, Rights, choose_rights, preset_of, setting_of


def chosen(given: dict[str, str | None], **settings: str) -> Rights:
    unset: Any = SimpleNamespace(**{"preset": "", **dict.fromkeys(AXES, ""), **settings})
    return choose_rights(given, unset)


def test_each_preset_sets_all_axes_and_is_recognised_by_them() -> None:
    for key, preset in PRESETS.items():
        assert preset_of(chosen({"preset": key})) == preset_of(chosen({}, preset=key)) == preset.name
        assert all(getattr(preset.rights, axis) in values for axis, values in AXES.items())


def test_every_mode_of_approval_has_a_place_in_the_order() -> None:
    assert set(AXES["approval"]) == set(get_args(ApprovalMode))


def test_nothing_set_gives_no_more_rights_than_codex_has_itself() -> None:
    assert chosen({}) == Rights()
    assert preset_of(chosen({})) == "Default"


def test_an_unset_approval_means_never_and_unset_cells_are_proposed() -> None:
    assert preset_of(Rights("read-only", "", "read", "")) == "Read-only"


@pytest.mark.parametrize(
    ("given", "settings", "rights"),
    [
        ({"preset": "ask", "kernel": "off"}, {}, Rights("workspace-write", "on-request", "off", "review")),
        ({"kernel": "run"}, {"preset": "read-only"}, Rights("read-only", "never", "run", "propose")),
        ({}, {"preset": "read-only", "kernel": "ask"}, Rights("read-only", "never", "ask", "propose")),
        ({"preset": "read-only"}, {"sandbox": "danger-full-access", "kernel": "run"}, PRESETS["read-only"].rights),
        ({"preset": None, "sandbox": ""}, {"preset": "full"}, Rights("", "never", "run", "apply")),
        ({"preset": ""}, {"preset": "full", "kernel": "read"}, Rights("", "", "read", "")),
    ],
)
def test_an_axis_overrides_a_preset_and_the_prompt_overrides_the_settings(given: Any, settings: Any, rights: Rights) -> None:
    assert chosen(given, **settings) == rights
    if rights != PRESETS["read-only"].rights:
        assert preset_of(rights) == "Custom"


def test_the_setting_of_an_axis_is_what_the_preset_gives_it() -> None:
    """A chat takes it as the limit of what its page may choose."""
    settings: Any = SimpleNamespace(preset="full", **{**dict.fromkeys(AXES, ""), "kernel": "read"}, model="set")
    assert [setting_of(settings, name) for name in ("sandbox", "kernel", "model")] == ["danger-full-access", "read", "set"]
