"""The diffs of the app-server become unified diffs with names relative to the working folder."""

import pytest

from codex_jupyter.sdk.transports.app_server.diffs import unified_diff, with_relative_names


def test_names_in_the_diff_of_a_turn_are_relative_to_the_working_folder() -> None:
    """Lines of the files stay as they are, also if they look like a header. So do names elsewhere."""
    diff = (
        "diff --git a/repo/w/x y.txt b/repo/w/x y.txt\nindex 1..2\n--- a/repo/w/x y.txt\n+++ b/repo/w/x y.txt\n"
        "@@ -1,2 +1 @@\n--- a/repo/w/kept\n+++ b/repo/w/kept\n-old\ndiff --git a/repo/other b/repo/other\n"
    )
    assert with_relative_names(diff, "/home/repo/w") == (
        "diff --git a/x y.txt b/x y.txt\nindex 1..2\n--- a/x y.txt\n+++ b/x y.txt\n"
        "@@ -1,2 +1 @@\n--- a/repo/w/kept\n+++ b/repo/w/kept\n-old\ndiff --git a/repo/other b/repo/other\n"
    )
    assert with_relative_names(diff, None) == diff


@pytest.mark.parametrize(
    ("kind", "body", "diff"),
    [
        ("add", "", "--- /dev/null\n+++ b/w/f\n"),
        ("add", "x", "--- /dev/null\n+++ b/w/f\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n"),
        ("delete", "x\ny\n", "--- a/w/f\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x\n-y\n"),
        ("update", "@@ -1 +1 @@\n-x\n+y", "--- a/w/f\n+++ b/w/f\n@@ -1 +1 @@\n-x\n+y\n"),
    ],
)
def test_a_change_on_the_wire_is_a_unified_diff(kind: str, body: str, diff: str) -> None:
    assert unified_diff(kind, "/w/f", None, body, "/elsewhere") == diff
