// The bar above the conversation: the thread, its menu, and the list of stored threads.

/** @import { MetaMessage, StoredMessage } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, make, setText } from "../dom.js";
import { createChooser } from "./chooser.js";
import { createMenu } from "./menu.js";
import { createThreadList } from "./thread_list.js";

/**
 * @param {ChatContext} chat
 * @param {{ focus: () => void, find: (text: string) => void, attention: { isEnabled: () => boolean, toggle: () => unknown } }} actions
 */
export function createHeader(chat, { focus, find, attention }) {
  const { connection } = chat;
  const { state } = connection;
  const thread = createChooser(connection, "Thread", "thread");
  const demo = make("span", { class: "codex-badge", hidden: true, title: "A script answers, not a model." }, "demo");
  const label = make("span", {});
  const name = make("input", { class: "codex-name", type: "text", "aria-label": "Title of the thread", autocomplete: "off" });
  const submit = make("button", { type: "submit" }, "OK");
  const cancel = button("", "Cancel", "Cancel", close);
  const form = make("form", { class: "codex-naming", hidden: true }, label, name, submit, cancel);
  const list = createThreadList(chat, close);
  /** What the form does with its text. */
  /** @type {(text: string) => Promise<string> | string} */
  let onSubmit = () => "";

  const start = button("new", "New", "Start a new thread", () => change("new"), { "aria-label": "new thread", class: "codex-flat" });
  const resume = button("resume", "Threads", "Search, continue and delete threads", () => toggleList(), {
    "aria-label": "Threads: resume thread",
    class: "codex-flat",
  });
  const menu = createMenu("More about this thread", () => [
    ["Rename…", () => ask("Title of this thread", title(), rename)],
    ["Fork", () => change("fork")],
    ["Find in the conversation…", () => ask("Find in this conversation", "", search)],
    ["Show the changed files", () => connection.send({ do: "diff" })],
    ["Compact", () => connection.send({ do: "compact" })],
    [attention.isEnabled() ? "Do not notify me" : "Notify me when it is done", attention.toggle],
    ["Archive", () => change("archive")],
    ["Delete…", askDelete],
  ]);
  const actions = [start, resume, menu.node];
  const bar = make(
    "div",
    { class: "codex-bar", role: "group", "aria-label": "Thread and its history" },
    thread.select,
    demo,
    make("span", { class: "codex-space" }),
    ...actions,
  );

  /**
   * @param {string} how
   * @param {string} [text]
   */
  async function change(how, text = "") {
    const error = await connection.send({ do: "thread", how, name: text });
    if (!error) focus();
    return error;
  }

  const title = () => state.meta?.threads.find((entry) => entry.name === state.meta?.thread)?.title ?? "";
  /** @param {string} text */
  const rename = (text) => change("rename", text);
  /** @param {string} text */
  const search = (text) => {
    find(text);
    return "";
  };

  /**
   * @param {string} text
   * @param {string} value
   * @param {(text: string) => Promise<string> | string} act
   */
  function ask(text, value, act) {
    list.node.hidden = true;
    form.hidden = false;
    onSubmit = act;
    setText(label, text);
    name.hidden = false;
    name.setAttribute("aria-label", text);
    setText(submit, "OK");
    submit.className = "";
    name.value = value;
    name.focus();
    name.select();
  }

  function askDelete() {
    ask("Delete this thread for good? Files stay as they are.", "", () => change("delete"));
    name.hidden = true;
    setText(submit, "Delete");
    submit.className = "codex-danger";
    // A key that is held down, or pressed twice, must not delete.
    cancel.focus();
  }

  /** @param {string} [text] */
  function toggleList(text = "") {
    const isOpen = !list.node.hidden && !text;
    form.hidden = list.node.hidden = true;
    if (!isOpen && state.meta) list.open(text);
  }

  function close() {
    list.node.hidden = form.hidden = true;
    focus();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    chat.notify("");
    if (await onSubmit(name.value.trim())) return;
    form.hidden = true;
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) close();
  });

  return {
    node: make("div", { class: "codex-head" }, bar, form, list.node),
    showThreads: toggleList,
    askDelete,
    /** @param {MetaMessage} meta */
    showMeta(meta) {
      const titles = Object.fromEntries(meta.threads.map((entry) => [entry.name, entry.title]));
      thread.fill(
        meta.threads.map((entry) => entry.name),
        meta.thread,
        { labels: titles },
      );
      const id = meta.thread_id ? ` (${meta.thread_id})` : "";
      const cells = meta.thread === "main" ? "Cells use this thread." : `Cells use this thread with -t ${meta.thread}.`;
      thread.select.title = `Thread ${meta.thread}${id}. ${cells}`;
      demo.hidden = !meta.demo;
      // The kernel refuses these actions, too.
      thread.select.disabled = meta.locked;
      for (const node of actions) node.hidden = meta.locked;
    },
    /** @param {StoredMessage} message */
    showStored: (message) => list.show(message),
  };
}
