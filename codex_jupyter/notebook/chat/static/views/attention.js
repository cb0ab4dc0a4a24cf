// Let a user who looks elsewhere know that a long turn has ended, or that Codex asks: in the title of the window, and by a notification
// of the browser if the user wants it.

const STORED_CHOICE = "codex-jupyter.notify";
/** The end of a shorter turn is not news. */
const LONG_MS = 8000;

/** @param {(text: string) => void} notify shows a message in the chat */
export function createAttention(notify) {
  /** The title of the window before it was changed. Null if it is not changed. */
  /** @type {string | null} */
  let title = null;
  let startedAt = 0;

  const isAway = () => document.hidden || !document.hasFocus();

  function restore() {
    if (title === null || isAway()) return;
    document.title = title;
    title = null;
  }

  /** @param {string} text */
  function call(text) {
    if (!isAway()) return;
    title ??= document.title;
    document.title = `${text} · ${title}`;
    if (isEnabled()) new Notification("Codex", { body: text, tag: STORED_CHOICE });
  }

  const isAllowed = () => "Notification" in window && Notification.permission === "granted";
  const isEnabled = () => isAllowed() && localStorage.getItem(STORED_CHOICE) === "yes";

  async function toggle() {
    const wanted = !isEnabled();
    if (wanted && !("Notification" in window)) return notify("This browser has no notifications.");
    if (wanted && (await Notification.requestPermission()) !== "granted")
      return notify("The browser does not allow notifications of this page. Allow them in its settings.");
    localStorage.setItem(STORED_CHOICE, wanted ? "yes" : "no");
    return notify(wanted ? "You will be notified when a long turn ends, or Codex asks." : "There are no notifications any more.");
  }

  window.addEventListener("focus", restore);
  document.addEventListener("visibilitychange", restore);
  return {
    isEnabled,
    toggle,
    started: () => {
      startedAt = Date.now();
    },
    /** @param {string} text */
    ended: (text) => {
      if (startedAt && Date.now() - startedAt > LONG_MS) call(text);
      startedAt = 0;
    },
    asked: () => call("Codex asks"),
    close: () => {
      window.removeEventListener("focus", restore);
      document.removeEventListener("visibilitychange", restore);
    },
  };
}
