// The outputs of a cell whose page was reloaded.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ReloadedCells, removeTurn } from "../../../../codex_jupyter/notebook/lab/labextension/static/reloaded_cells.js";

/** A list of outputs as in JupyterLab. */
class List {
  constructor(...outputs) {
    this.fromJSON(outputs);
  }
  get length() {
    return this.models.length;
  }
  get = (index) => this.models[index];
  set = (index, json) => (this.models[index] = { data: json.data, toJSON: () => json });
  add = (json) => this.models.push({ data: json.data, toJSON: () => json });
  fromJSON(outputs) {
    this.models = [];
    for (const json of outputs) this.add(json);
  }
  clear = () => (this.models = []);
  texts = () => this.models.map(({ data }) => data?.["text/plain"] ?? "printed");
}
const output = (number, text) => ({
  output_type: "display_data",
  data: { "text/plain": text },
  metadata: number === null ? {} : { codex: { output: number } },
});

test("the outputs of the turn and of later ones are replaced, and others stay", () => {
  const printed = { output_type: "stream", text: "x" };
  const list = new List(printed, output(0, "first"), output(null, "plot"), output(0, "head"), output(1, "work"));
  removeTurn(list, 1);
  assert.deepEqual(list.texts(), ["printed", "first", "plot"]);
  removeTurn(list, 0);
  assert.deepEqual(list.texts(), ["printed", "plot"]);
});

test("updates reach the outputs by their ids, new ones are added, and those of a cell that ran again are dropped", () => {
  const list = new List(output(null, "plot"), output(0, "old"));
  const model = { id: "c", outputs: list };
  const kernel = { id: "k", iopubMessage: { connect: (slot) => (kernel.send = (message) => slot(kernel, message)) } };
  const panel = { sessionContext: { session: { kernel } }, content: { widgets: [{ model }] } };
  new ReloadedCells({ forEach: (visit) => visit(panel) }).show(kernel, {
    cell: "c",
    request: "r",
    earlier: 0,
    outputs: [{ id: "a", ...output(0, "head") }],
  });
  const send = (type, id, text, request) =>
    kernel.send({
      header: { msg_type: type },
      parent_header: { msg_id: request },
      content: { ...output(0, text), transient: { display_id: id } },
    });
  send("display_data", "b", "work", "r");
  send("display_data", "other", "not ours", "another request");
  send("update_display_data", "a", "new head", "another request");
  assert.deepEqual(list.texts(), ["plot", "new head", "work"]);
  list.fromJSON([output(null, "2")]);
  send("update_display_data", "a", "late", "r");
  assert.deepEqual(list.texts(), ["2"]);
});

test("a cell that the agent runs shows its later outputs of all kinds, says that earlier ones are missing, and ends", () => {
  const list = new List({ output_type: "stream", text: "of an earlier run" });
  const kernel = { id: "k", iopubMessage: { connect: (slot) => (kernel.send = (message) => slot(kernel, message)) } };
  let ends = 0;
  new ReloadedCells({ forEach: () => {} }).follow(kernel, "r", list, () => (ends += 1));
  const json = () => list.models.map((model) => model.toJSON());
  assert.match(json()[0].text, /reloaded while this cell ran/);
  const send = (type, content, request = "r") =>
    kernel.send({ header: { msg_type: type }, parent_header: { msg_id: request }, content });
  send("stream", { name: "stdout", text: "later" });
  send("stream", { name: "stdout", text: "of another cell" }, "other");
  send("display_data", { data: { "text/plain": "plot" }, metadata: {} });
  send("error", { ename: "E", evalue: "e", traceback: [] });
  send("status", { execution_state: "idle" }, "other");
  assert.deepEqual(
    json().map(({ output_type: type, text }) => (type === "stream" && text === "later" ? text : type)),
    ["stream", "later", "display_data", "error"],
  );
  send("clear_output", { wait: false });
  assert.equal(list.length, 0);
  assert.equal(ends, 0);
  send("status", { execution_state: "idle" });
  assert.equal(ends, 1);
});
