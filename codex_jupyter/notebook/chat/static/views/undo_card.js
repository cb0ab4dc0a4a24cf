// The preview of an undo or a redo. The user chooses which files stay as they are.

/** @import { UndoPreview } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, make } from "../dom.js";

/** @param {ChatContext} chat */
export function createUndoCard({ connection }) {
  /** @type {HTMLElement} */
  const node = make("div", { class: "codex-undo", role: "group", "aria-label": "Undo", tabindex: "-1", hidden: true });
  const hide = () => {
    node.hidden = true;
  };
  return {
    node,
    /** @param {UndoPreview} preview */
    show(preview) {
      const verb = preview.redo ? "Redo" : "Undo";
      /** @type {HTMLInputElement[]} */
      const boxes = [];
      const rows = preview.files.map(({ path, name, action }) => {
        const box = make("input", { type: "checkbox", checked: true, value: path });
        boxes.push(box);
        return make("label", {}, box, `${action} `, make("code", {}, name));
      });
      const apply = () => {
        hide();
        connection.send({ do: "apply_undo", keep: boxes.filter(({ checked }) => !checked).map(({ value }) => value) });
      };
      const hint = rows.length ? [make("p", {}, "A file without its mark stays as it is.")] : [];
      const buttons = [button("", verb, `${verb} this now`, apply), button("", "Cancel", `Do not ${verb.toLowerCase()}`, hide)];
      node.setAttribute("aria-label", verb);
      node.replaceChildren(
        make("strong", {}, preview.title),
        ...hint,
        make("div", { class: "codex-undo-files" }, ...rows),
        ...preview.notes.map((note) => make("p", {}, note)),
        make("div", { class: "codex-choices" }, ...buttons),
      );
      node.hidden = false;
      node.focus();
    },
  };
}
