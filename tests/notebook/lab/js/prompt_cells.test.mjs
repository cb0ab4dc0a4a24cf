// Which cells are prompts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isPrompt } from "../../../../codex_jupyter/notebook/lab/labextension/static/prompt_cells.js";

test("a cell is a prompt if its magic is %%codex, also below other cell magics", () => {
  for (const source of ["%%codex", "%%codex -q\nis it for all?", "\n%%codex\nx", "%%time\n%%codex\nx"]) assert.ok(isPrompt(source), source);
  for (const source of ["%codex hi", "x = 1\n%%codex", "%%codexes", "%%time\nx\n%%codex", ""]) assert.ok(!isPrompt(source), source);
});
