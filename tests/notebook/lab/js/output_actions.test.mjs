// The buttons below the outputs of a cell.

import assert from "node:assert/strict";
import { test } from "node:test";

import { TURN_MIME } from "../../../../codex_jupyter/notebook/lab/labextension/static/cell_data.js";
import { OutputActions } from "../../../../codex_jupyter/notebook/lab/labextension/static/output_actions.js";

const { actionsOf } = OutputActions.prototype;

/** Return the actions of a cell with a turn of these items, shown as this HTML, in a notebook without a kernel. */
function actions(html, ...items) {
  const data = { "text/html": html, [TURN_MIME]: { turn: { thread_id: "t", status: "failed", items } } };
  const output = { type: "display_data", data, toJSON: () => ({ output_type: "display_data", data }) };
  return actionsOf.call({ app: {} }, { sessionContext: {} }, { type: "code", outputs: { length: 1, get: () => output } });
}

test("a turn without an answer has no button that copies the answer", () => {
  assert.deepEqual(actions("<details></details>", { type: "reasoning", text: "…" }), ["open", "further"]);
  assert.deepEqual(actions("<details></details>", { type: "agent_message", text: "Here." }), ["open", "copy", "further"]);
});

test("a turn without a part that opens has no button that opens all parts", () => {
  assert.deepEqual(actions("<p>Here. &lt;details&gt;</p>", { type: "agent_message", text: "Here." }), ["copy", "further"]);
});

test("an error of a prompt has no button that fixes it", () => {
  const app = { serviceManager: { kernelspecs: { specs: { kernelspecs: { python3: { language: "python" } } } } } };
  const panel = { sessionContext: { session: { kernel: { name: "python3" } } } };
  const outputs = { length: 1, get: () => ({ type: "error", data: {} }) };
  const shown = (source) => actionsOf.call({ app }, panel, { type: "code", sharedModel: { getSource: () => source }, outputs });
  assert.deepEqual(shown("1/0"), ["fix", "explain"]);
  assert.deepEqual(shown("%%codex\nhi"), []);
  assert.deepEqual(shown("%codex login"), []);
});
