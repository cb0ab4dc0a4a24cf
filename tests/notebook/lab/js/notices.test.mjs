// Notifications, of which JupyterLab shows only the start.

import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { createElement: () => ({ append: (...texts) => shown.push(...texts), setAttribute: () => {} }) };
const shown = [];
const { notify } = await import("../../../../codex_jupyter/notebook/lab/labextension/static/notices.js");

test("a long notification has a button that shows all of it, and stays until it is closed", () => {
  const notices = [];
  const Notification = { info: (text, options) => notices.push({ text, ...options }) };
  const Dialog = { okButton: () => ({}) };
  const jupyter = { apputils: { Dialog, Notification, showDialog: () => {} }, widgets: { Widget: class {} } };
  const long = "Not done: ".repeat(20);
  notify(jupyter, "info", "short");
  notify(jupyter, "info", long);
  assert.deepEqual(notices[0].actions, []);
  assert.ok(notices[0].autoClose > 0);
  assert.equal(notices[1].autoClose, false);
  const [button] = notices[1].actions;
  assert.equal(button.label, "Show all");
  button.callback();
  assert.deepEqual(shown, [long]);
});

test("a notification, which shows text only, has no backticks around code", () => {
  const notices = [];
  const jupyter = { apputils: { Notification: { error: (text) => notices.push(text) } } };
  notify(jupyter, "error", "Log in with `%codex login`.");
  assert.deepEqual(notices, ["Log in with %codex login."]);
});
