"""Grants belong to the path of a notebook."""

import json
import os
import shutil
from pathlib import Path

import pytest

from codex_jupyter.notebook.consent.grants import GrantStore, NotebookGrants


@pytest.fixture
def store(tmp_path: Path) -> GrantStore:
    return GrantStore(tmp_path / "notebooks")


def grants(store: GrantStore, notebook: Path | None) -> NotebookGrants:
    return NotebookGrants(lambda: notebook, lambda: store)


def test_a_grant_holds_in_the_next_kernel_and_for_no_other_path(store: GrantStore, tmp_path: Path) -> None:
    """A copy and a renamed file have other paths. A link is the same file."""
    notebook, copy = tmp_path / "a.ipynb", tmp_path / "b.ipynb"
    notebook.write_text("{}")
    assert grants(store, notebook).add("run") is None
    shutil.copy(notebook, copy)
    (tmp_path / "link.ipynb").symlink_to(notebook)
    assert [grants(store, path).kernel for path in (notebook, copy, tmp_path / "link.ipynb")] == ["run", "", "run"]
    os.rename(notebook, tmp_path / "c.ipynb")
    assert grants(store, tmp_path / "c.ipynb").kernel == ""


def test_a_smaller_grant_does_not_replace_a_larger_one(store: GrantStore, tmp_path: Path) -> None:
    own = grants(store, tmp_path / "a.ipynb")
    own.add("read")
    assert own.kernel == "read"
    own.add("run")
    own.add("read")
    assert own.kernel == "run"


def test_a_revoked_grant_is_gone_at_once_in_all_kernels(store: GrantStore, tmp_path: Path) -> None:
    first, other = grants(store, tmp_path / "a.ipynb"), grants(store, tmp_path / "a.ipynb")
    first.add("run")
    [grant] = other.listed()
    other.revoke(grant)
    assert (first.kernel, first.listed()) == ("", [])


def test_without_a_path_a_grant_ends_with_the_kernel(store: GrantStore) -> None:
    own = grants(store, None)
    own.add("run")
    assert own.kernel == "run"
    [grant] = own.listed()
    assert grants(store, None).kernel == ""
    own.revoke(grant)
    assert own.kernel == ""


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 9, "kernel": "run"}', '{"version": 1, "kernel": "all", "notebook": "x"}', "[" * 9_999]
)
def test_a_file_that_cannot_be_used_grants_nothing(store: GrantStore, tmp_path: Path, text: str) -> None:
    grants(store, tmp_path / "a.ipynb").add("run")
    [file] = (tmp_path / "notebooks" / "grants").glob("*.json")
    file.write_text(text)
    assert grants(store, tmp_path / "a.ipynb").kernel == ""
    assert store.all() == []


def test_a_file_of_another_notebook_grants_nothing(store: GrantStore, tmp_path: Path) -> None:
    grants(store, tmp_path / "a.ipynb").add("run")
    grants(store, tmp_path / "b.ipynb").add("read")
    first, other = (tmp_path / "notebooks" / "grants").glob("*.json")
    data = json.loads(first.read_text())
    other.write_text(json.dumps(data))
    assert [grant.notebook for grant in store.all()] == [data["notebook"]]


def test_an_answer_that_cannot_be_stored_holds_for_the_kernel_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "notebooks").write_text("")
    own = grants(GrantStore(tmp_path / "notebooks"), tmp_path / "a.ipynb")
    assert "holds until the kernel ends" in (own.add("run") or "")
    assert own.kernel == "run"
