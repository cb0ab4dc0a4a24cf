// The difference between the sources of a cell.

import assert from "node:assert/strict";
import { test } from "node:test";

import { lineDiff } from "../../../../codex_jupyter/notebook/lab/labextension/static/line_diff.js";

const shown = (before, after) => lineDiff(before, after).map(({ kind, text }) => `${{ same: " ", added: "+", removed: "-" }[kind]}${text}`);

test("only changed lines are removed and added, in order", () => {
  assert.deepEqual(shown("a\nb\nc", "a\nB\nc\nd"), [" a", "-b", "+B", " c", "+d"]);
  assert.deepEqual(shown("x", "x"), [" x"]);
  assert.deepEqual(shown("1/0", "1/1"), ["-1/0", "+1/1"]);
});

test("very long texts are shown one after the other", () => {
  const long = Array.from({ length: 3000 }, (_, index) => String(index)).join("\n");
  const lines = lineDiff(long, `${long}\nend`);
  assert.equal(lines.length, 6001);
  assert.equal(lines[0].kind, "removed");
});
