// A cell as the kernel receives it.

/** @import { CellModel, OutputModel } from "./front_end.js" */
/** @import { PageCell, PageImage } from "./protocol.js" */

/**
 * @typedef {object} SavedTurn
 * @property {string} thread id of the thread
 * @property {string | null} turn id of the turn
 * @property {number | null} start seconds since the epoch
 * @property {string} threadName empty for the thread of the notebook
 * @property {boolean} isUndone
 * @property {string} answer Markdown
 */

export const TURN_MIME = "application/vnd.codex.turn+json";
const MAX_OUTPUT = 8_000;
const MAX_IMAGES = 4;
const IMAGE_TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"];
/** A name of a thread. It becomes a part of a cell, so a saved output must not bring other options or lines. */
const NAME = /^[\p{XID_Start}_]\p{XID_Continue}*$/u;
const PROSE = /^(?:\s*%%\w[^\n]*\n)*\s*%%codex\b/;
const LINE = /^(?:\w+\s*=\s*)?%codex\b[^\n]*$/;
const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const PYTHON = /^(?:(?:i?python|py)3?)?$/i;
const ANSI = new RegExp(String.raw`\u001b\[[0-9;]*[A-Za-z]`, "g");

/**
 * @param {CellModel} model
 * @returns {PageCell}
 */
export function cellData(model) {
  const image = lastImage(model);
  return {
    id: model.id,
    type: model.type,
    number: model.executionCount ?? null,
    source: model.sharedModel.getSource(),
    output: outputsOf(model).map(textOfOutput).filter(Boolean).join("\n").slice(-MAX_OUTPUT),
    ...(image && { image }),
  };
}

/**
 * Return whether an output of a cell is an error.
 *
 * @param {CellModel} model
 */
export const hasError = (model) => outputsOf(model).some((output) => output.type === "error");

/**
 * Return whether the source of a cell is a `%%codex` cell, also below other cell magics such as `%%time`.
 *
 * @param {string} source
 */
export const isProse = (source) => PROSE.test(source);

/**
 * Return whether the source of a cell is for Codex alone: a `%%codex` cell or one `%codex` line, also with a variable for its value.
 *
 * @param {string} source
 */
export const isPrompt = (source) => isProse(source) || LINE.test(source.trim());

/**
 * Return whether a cell has an error that Codex can fix: an error of a prompt, such as a missing login, is not in the code.
 *
 * @param {CellModel} model
 */
export const isFixable = (model) => hasError(model) && !isPrompt(model.sharedModel.getSource());

/**
 * Return the last image of the outputs of a cell, or null.
 *
 * @param {CellModel} model
 * @returns {PageImage | null}
 */
export const lastImage = (model) => lastImages(model).at(-1) ?? null;

/**
 * Return the last images of the outputs of a cell, in order.
 *
 * @param {CellModel} model
 * @returns {PageImage[]}
 */
export function lastImages(model) {
  return outputsOf(model)
    .flatMap((output) => {
      const type = IMAGE_TYPES.find((one) => output.data[one]);
      return type ? [{ type, data: String(output.data[type]).trim() }] : [];
    })
    .slice(-MAX_IMAGES);
}

/**
 * Return the saved turn of the last output that has one, or null. Its HTML is in the output: nothing renders the turn from this data.
 *
 * @param {CellModel} model
 * @returns {SavedTurn | null}
 */
export function savedTurn(model) {
  const saved = outputsOf(model).findLast((output) => output.data[TURN_MIME])?.data[TURN_MIME];
  const turn = saved?.turn;
  if (!turn || typeof turn.thread_id !== "string" || turn.status === "in_progress") return null;
  const messages = [turn.items].flat().filter((/** @type {any} */ item) => item?.type === "agent_message" && typeof item.text === "string");
  return {
    thread: turn.thread_id,
    turn: typeof turn.id === "string" ? turn.id : null,
    start: typeof saved.info?.began === "number" ? saved.info.began : null,
    threadName: NAME.test(saved.info?.thread_name ?? "") ? saved.info.thread_name : "",
    isUndone: saved.info?.undone === true,
    answer: messages.at(-1)?.text ?? "",
  };
}

/**
 * Return the last block of Python code in a Markdown text, or an empty text. The time is linear: the text can come from anyone.
 *
 * @param {string} markdown
 */
export function lastPython(markdown) {
  let last = "";
  /** @type {{ mark: string, isPython: boolean, lines: string[] } | null} */
  let block = null;
  for (const line of markdown.split("\n")) {
    const [, mark = "", info = ""] = FENCE.exec(line) ?? [];
    if (block && mark.startsWith(block.mark) && /^[`~]*$/.test(info.trim())) {
      if (block.isPython) last = block.lines.join("\n");
      block = null;
    } else if (block) {
      block.lines.push(line);
    } else if (mark && !info.includes("`")) {
      block = { mark, isPython: PYTHON.test(info.trim().split(/\s/, 1)[0] ?? ""), lines: [] };
    }
  }
  return last;
}

/**
 * @param {CellModel} model
 * @returns {OutputModel[]}
 */
export function outputsOf(model) {
  const list = model.outputs;
  return list ? Array.from({ length: list.length }, (_, index) => list.get(index)) : [];
}

/**
 * Return whether an output of a cell has a part that opens and closes.
 *
 * @param {CellModel} model
 */
export const hasFolds = (model) => outputsOf(model).some((output) => String(output.data["text/html"] ?? "").includes("<details"));

/** @param {OutputModel} output */
function textOfOutput(output) {
  const json = output.toJSON();
  const joined = (/** @type {unknown} */ text) => (Array.isArray(text) ? text.join("") : String(text ?? ""));
  if (json.output_type === "error") return joined(json.traceback?.join("\n")).replace(ANSI, "");
  return joined(json.output_type === "stream" ? json.text : json.data?.["text/plain"]);
}
