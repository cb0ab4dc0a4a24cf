// The elements of JupyterLab's pages and of the chat.

import assert from "node:assert/strict";
import { test } from "node:test";

const listeners = [];
globalThis.document = {
  createElement: () => ({ append: () => {}, setAttribute: () => {}, addEventListener: (_, listener) => listeners.push(listener) }),
};
const folder = "../../../../codex_jupyter/notebook";

for (const path of ["lab/labextension/static/dom.js", "chat/static/dom.js"]) {
  test(`a double click is one click: ${path}`, async () => {
    const { make } = await import(`${folder}/${path}`);
    let clicks = 0;
    make("button", { onclick: () => (clicks += 1) });
    const click = listeners.pop();
    for (const detail of [1, 2, 3]) click({ detail });
    assert.equal(clicks, 1);
    click({ detail: 0 }); // by the keyboard
    click({ detail: 1 });
    assert.equal(clicks, 3);
  });
}

for (const path of ["lab/labextension/static/dom.js", "chat/static/dom.js"]) {
  test(`only code between backticks is markup of a message: ${path}`, async () => {
    const { message, plainMessage } = await import(`${folder}/${path}`);
    const parts = [];
    const { createElement } = globalThis.document;
    globalThis.document.createElement = (tag) => ({ tag, append: (text) => parts.push([tag, text]) });
    const shown = message("Log in with `%codex login`, not with <b>, ` or\n`.");
    globalThis.document.createElement = createElement;
    assert.deepEqual(parts, [["code", "%codex login"]]);
    assert.deepEqual([shown[0], shown[1].tag, ...shown.slice(2)], ["Log in with ", "code", ", not with <b>, ` or\n`."]);
    assert.equal(plainMessage("`%codex rules` revokes it"), "%codex rules revokes it");
    assert.equal(plainMessage("a ` alone"), "a ` alone");
  });
}
