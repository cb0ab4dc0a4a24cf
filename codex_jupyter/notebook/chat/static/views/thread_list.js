// The stored threads: search, continue, archive and delete.

/** @import { StoredMessage, StoredThread } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, make } from "../dom.js";
import { countTurns, formatTime } from "../format.js";

const SEARCH_DELAY_MS = 250;

/**
 * @param {ChatContext} chat
 * @param {() => void} onClose
 */
export function createThreadList({ connection }, onClose) {
  const search = make("input", {
    class: "codex-name",
    type: "search",
    "aria-label": "Search threads",
    placeholder: "Search threads",
    autocomplete: "off",
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(request, SEARCH_DELAY_MS);
    },
  });
  /** @type {HTMLInputElement} */
  const archived = make("input", { type: "checkbox", onchange: request });
  const rows = make("ul", { class: "codex-stored", "aria-label": "Earlier threads" });
  const node = make(
    "div",
    { class: "codex-threads", hidden: true, role: "group", "aria-label": "Earlier threads: search" },
    make(
      "div",
      { class: "codex-naming" },
      search,
      make("label", {}, archived, " archived"),
      button("close", "", "Close the list", onClose),
    ),
    rows,
  );
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @returns {Promise<string>} */
  function request() {
    return connection.send({ do: "stored", search: search.value.trim(), archived: archived.checked });
  }

  /**
   * @param {string} how
   * @param {string} id
   */
  async function change(how, id) {
    if (!(await connection.send({ do: "thread", how, name: id }))) request();
  }

  /** @param {StoredThread} thread */
  function row({ id, title, at, turns }) {
    const name = title || "(no prompt)";
    const isArchived = archived.checked;
    const open = make(
      "button",
      {
        type: "button",
        title: isArchived ? "Put this thread back into the lists" : `Continue thread ${id}`,
        onclick: () => (isArchived ? change("unarchive", id) : resume(id)),
      },
      make("span", { dir: "auto" }, name),
      make("small", {}, `${countTurns(turns)} · ${formatTime(at)}`),
    );
    const move = isArchived
      ? button("", "Put back", `Put back: ${name}`, () => change("unarchive", id), { class: "codex-flat" })
      : button("archive", "", `Archive: ${name}`, () => change("archive", id), { class: "codex-flat" });
    const remove = button("delete", "", `Delete: ${name}`, () => confirmRemoval(), { class: "codex-flat" });
    const item = make("li", {}, open, move, remove);
    function confirmRemoval() {
      const keep = button("", "Keep", `Keep: ${name}`, request);
      const sure = button("", "Delete", `Delete for good: ${name}`, () => change("delete", id), { class: "codex-danger" });
      item.className = "codex-removal";
      item.replaceChildren(make("span", { dir: "auto" }, `Delete “${name}” for good? Files stay as they are.`), keep, sure);
      // A key that is held down, or pressed twice, must not delete.
      keep.focus();
    }
    return item;
  }

  /** @param {string} id */
  async function resume(id) {
    onClose();
    return connection.send({ do: "thread", how: "resume", name: id });
  }

  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) onClose();
  });

  return {
    node,
    /** @param {string} text the text to search for */
    open(text) {
      node.hidden = false;
      search.value = text;
      archived.checked = false;
      rows.replaceChildren(make("li", {}, "Looking for threads…"));
      search.focus();
      return request();
    },
    /** @param {StoredMessage} message */
    show(message) {
      if (node.hidden || message.search !== search.value.trim() || message.archived !== archived.checked) return;
      const empty = message.archived ? "There are no archived threads." : "There are no threads in this folder yet.";
      const none = message.search ? "No thread matches." : empty;
      rows.replaceChildren(...(message.threads.length ? message.threads.map(row) : [make("li", {}, none)]));
    },
  };
}
