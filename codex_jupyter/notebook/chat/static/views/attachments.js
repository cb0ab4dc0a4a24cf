// Images for the next prompt: from files, the clipboard, a drag, or the plots of the notebook.

/** @import { MetaMessage, Plot } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, image, make } from "../dom.js";
import { IMAGE_TYPES, MAX_UPLOAD } from "../protocol.js";

/** Jupyter Server closes the connection of a client that sends more than 10 MiB at once. */
const CHUNK_BYTES = 2 * 1024 * 1024;

/**
 * @param {ChatContext} chat
 * @param {() => void} focusInput
 */
export function createAttachments(chat, focusInput) {
  const { connection, root } = chat;
  const attached = make("div", { class: "codex-attached", role: "group", "aria-label": "Attached images" });
  const plots = make("div", { class: "codex-plots", hidden: true, role: "group", "aria-label": "Plots of the notebook" });
  const file = make("input", { type: "file", accept: IMAGE_TYPES.join(","), multiple: true, hidden: true, "aria-label": "Image files" });
  const plotsButton = button("plots", "", "Attach a plot of the notebook", togglePlots, { class: "codex-flat" });
  let shown = "";

  /** @param {Iterable<File>} files */
  async function upload(files) {
    for (const item of files) {
      if (!IMAGE_TYPES.includes(item.type)) chat.notify(`${item.name || "This"} is not a PNG, JPEG, GIF or WebP image.`);
      else if (item.size > MAX_UPLOAD) chat.notify(`${item.name} is too large: at most ${MAX_UPLOAD / 1024 / 1024} MiB can be attached.`);
      else await sendFile(item);
    }
  }

  /** @param {File} content */
  async function sendFile(content) {
    const data = await content.arrayBuffer();
    const item = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
    for (let start = 0; start === 0 || start < data.byteLength; start += CHUNK_BYTES) {
      const end = start + CHUNK_BYTES;
      const action = { item, name: content.name || "pasted image", last: end >= data.byteLength };
      if (await connection.send({ do: "upload", ...action }, [data.slice(start, end)])) break;
    }
  }

  function togglePlots() {
    plots.hidden = !plots.hidden;
    if (!plots.hidden) connection.send({ do: "plots" });
  }

  /** @param {string} spec */
  function attachPlot(spec) {
    connection.send({ do: "attach", spec });
    plots.hidden = true;
    focusInput();
  }

  file.addEventListener("change", () => {
    upload([...(file.files ?? [])]);
    file.value = "";
  });
  root.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    event.stopPropagation();
    if (!files.length) return;
    event.preventDefault();
    upload(files);
  });
  for (const kind of /** @type {const} */ (["dragenter", "dragover", "drop"])) {
    root.addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      event.stopPropagation();
      root.classList.toggle("codex-drop", kind !== "drop");
      if (kind === "drop") upload([...event.dataTransfer.files]);
    });
  }
  root.addEventListener("dragleave", (event) => {
    if (!(event.relatedTarget instanceof Node && root.contains(event.relatedTarget))) root.classList.remove("codex-drop");
  });

  return {
    attached,
    plots,
    buttons: [
      button("attach", "", "Attach image files", () => file.click(), { class: "codex-flat" }),
      plotsButton,
      file,
    ],
    /** @param {MetaMessage} meta */
    showMeta(meta) {
      plotsButton.hidden = !meta.variables;
      const shows = JSON.stringify(meta.attached);
      if (shows === shown) return;
      shown = shows;
      const figures = meta.attached.map(({ item, url, caption }) =>
        make(
          "figure",
          {},
          image(url, caption),
          make("figcaption", {}, caption),
          button("close", "", `Remove ${caption}`, () => connection.send({ do: "detach", item })),
        ),
      );
      attached.replaceChildren(...figures);
    },
    /** @param {Plot[]} available */
    showPlots(available) {
      const buttons = available.map(({ spec, url, caption }) =>
        make("button", { type: "button", title: `Attach ${caption}`, onclick: () => attachPlot(spec) }, image(url, caption)),
      );
      plots.replaceChildren(...(buttons.length ? buttons : [make("span", {}, "The notebook has not shown a plot yet.")]));
    },
  };
}
