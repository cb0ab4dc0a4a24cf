// The buttons below the outputs of a cell.

import assert from "node:assert/strict";
import { test } from "node:test";

import { TURN_MIME } from "../../../../codex_jupyter/notebook/lab/labextension/static/cell_data.js";
import { OutputActions } from "../../../../codex_jupyter/notebook/lab/labextension/static/output_actions.js";

const { actionsOf } = OutputActions.prototype;

/** Return the actions of a cell with a turn of these items, in a notebook without a kernel. */
function actions(...items) {
  const data = { [TURN_MIME]: { turn: { thread_id: "t", status: "failed", items } } };
  const output = { type: "display_data", data, toJSON: () => ({ output_type: "display_data", data }) };
  return actionsOf.call({ app: {} }, { sessionContext: {} }, { type: "code", outputs: { length: 1, get: () => output } });
}

test("a turn without an answer has no button that copies the answer", () => {
  assert.deepEqual(actions({ type: "reasoning", text: "…" }), ["open", "further"]);
  assert.deepEqual(actions({ type: "agent_message", text: "Here." }), ["open", "copy", "further"]);
});
