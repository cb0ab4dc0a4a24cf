// The paths of the notebooks that a kernel protects.

import assert from "node:assert/strict";
import { test } from "node:test";

import { pathsOf } from "../../../../codex_jupyter/notebook/lab/labextension/static/notebook_paths.js";

test("only notebooks of the kernel are listed, without the drive of a shared notebook", () => {
  const panel = (path, id) => ({ context: { path }, sessionContext: { session: id && { kernel: { id } } } });
  const panels = [panel("a/b.ipynb", "k"), panel("RTC:c:d.ipynb", "k"), panel("e.ipynb", "other"), panel("f.ipynb", null)];
  const tracker = { forEach: (visit) => panels.forEach(visit) };
  assert.deepEqual(pathsOf(tracker, { id: "k" }, "~/work"), ["~/work/a/b.ipynb", "~/work/c:d.ipynb"]);
});
