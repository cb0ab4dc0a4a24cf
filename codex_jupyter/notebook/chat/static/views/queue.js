// The prompts that wait for the running turn.

/** @import { MetaMessage, QueuedPrompt } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, icon, image, make } from "../dom.js";

/**
 * @param {ChatContext} chat
 * @param {(text: string) => void} onEdit called with the text of a prompt that is to be edited
 */
export function createQueue({ connection }, onEdit) {
  const node = make("ul", { class: "codex-queue", "aria-label": "Waiting prompts" });
  let shown = "";

  /** @param {QueuedPrompt} prompt */
  const row = ({ item, text, images }) =>
    make(
      "li",
      {},
      icon("queue"),
      make("span", { dir: "auto", title: text }, text),
      ...images.map(({ url, caption }) => image(url, caption)),
      button("rename", "", "Edit this prompt", () => {
        connection.send({ do: "unqueue", item, edit: true });
        onEdit(text);
      }),
      button("close", "", "Remove this prompt", () => connection.send({ do: "unqueue", item })),
    );

  return {
    node,
    /** @param {MetaMessage} meta */
    showMeta({ queue, running }) {
      const shows = JSON.stringify([queue, running]);
      if (shows === shown) return;
      shown = shows;
      node.replaceChildren(...queue.map(row));
      if (!queue.length || running) return;
      node.append(make("li", {}, button("send", "Send next", "Send the next prompt", () => connection.send({ do: "next" }))));
    },
  };
}
