// The settings that the kernels receive.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PROTOCOL } from "../../../../codex_jupyter/notebook/lab/labextension/static/protocol.js";

// What the browser has, and Node does not have.
globalThis.addEventListener = () => {};
globalThis.localStorage = { getItem: () => null, setItem: () => {} };
const { Connections } = await import("../../../../codex_jupyter/notebook/lab/labextension/static/connections.js");

const signal = () => {
  const slots = [];
  return { connect: (slot) => slots.push(slot), disconnect: () => {}, emit: () => slots.forEach((slot) => slot()) };
};

/** Connect with a kernel whose answer waits for `accept`. `received` has the settings that the kernel receives. */
function connect(defaults, stored = defaults) {
  const settings = { id: "codex", composite: { load_into_kernels: true, ...defaults }, changed: signal() };
  const reload = async (id) => {
    assert.equal(id, "codex");
    settings.composite = { load_into_kernels: true, ...stored };
  };
  settings.registry = { reload };
  const received = [];
  const problems = [];
  let events, last;
  const createComm = () => {
    const comm = { send: (data) => data.do === "settings" && received.push(data.settings) && (last = data.id) };
    comm.open = (data) => {
      if (data.role !== "events") return;
      received.push(data.settings);
      events = comm;
    };
    return comm;
  };
  const kernel = { id: "k", name: "python3", statusChanged: signal(), disposed: signal(), createComm };
  const panel = { sessionContext: { session: { kernel }, disposed: signal() }, context: { model: {} } };
  const specs = { kernelspecs: { python3: { language: "python" } } };
  const app = { serviceManager: { kernelspecs: { specs } } };
  const connections = new Connections(app, settings, null, { problem: (text) => problems.push(text) });
  const connected = connections.connectIfLoaded(panel);
  const accept = async () => {
    events.onMsg({ content: { data: { type: "welcome", protocol: PROTOCOL, subshells: [] } } });
    await connected;
  };
  const change = (values) => {
    settings.composite = { ...settings.composite, ...values };
    settings.changed.emit();
  };
  const refuse = async (error) => {
    events.onMsg({ content: { data: { type: "done", id: last, error, result: {} } } });
    await opened();
  };
  const report = (text) => events.onMsg({ content: { data: { type: "problem", text } } });
  return { received, problems, accept, change, refuse, report };
}
const opened = () => new Promise((resolve) => setImmediate(resolve));

test("a setting that changes while the connection is being opened reaches the kernel once", async () => {
  const { received, accept, change } = connect({ model: "", effort: "low" });
  await opened();
  change({ model: "a-model" });
  assert.deepEqual(received, [{ model: "", effort: "low" }]);
  await accept();
  assert.deepEqual(received.slice(1), [{ model: "a-model" }]);
  change({});
  change({ effort: "high" });
  assert.deepEqual(received.slice(2), [{ effort: "high" }]);
});

test("a value that is saved without a change is not sent, and a setting without a value has the default of the kernel", async () => {
  const { received, accept, change } = connect({ model: "", add_dir: [] });
  await opened();
  await accept();
  change({ model: "", add_dir: [] });
  assert.equal(received.length, 1);
  change({ add_dir: undefined });
  assert.deepEqual(received.slice(1), [{ add_dir: null }]);
});

test("a page whose settings are older than those of another tab sends the newer ones", async () => {
  const { received } = connect({ effort: "low" }, { effort: "high" });
  await opened();
  assert.deepEqual(received, [{ effort: "high" }]);
});

test("the user sees the settings that the kernel refuses, at the connection and after a change", async () => {
  const { problems, accept, change, refuse, report } = connect({ context: "" });
  await opened();
  await accept();
  report("It cannot be used.");
  change({ context: "x" });
  await refuse("There is no x.");
  assert.deepEqual(problems, ["It cannot be used.", "There is no x."]);
});
