// Stop the running turn, also when the kernel is busy.

/** @import { ChatContext } from "./chat.js" */

const STOP_AGAIN_MS = 10_000;
const UNREACHABLE = "The kernel is busy, and this front end cannot reach it. Press Stop again to interrupt the running cell, too.";

/** @param {ChatContext} chat */
export function createStop(chat) {
  const { connection } = chat;
  const { model, state } = connection;
  let stopPressedAt = 0;

  return async function stop() {
    const kernel = model.widget_manager?.kernel;
    const sent = connection.send({ do: "stop" });
    if (!(await connection.control) && kernel?.status === "busy") {
      // Without a comm on a subshell, only an interrupt reaches a busy kernel. It also interrupts the running cell.
      if (state.meta?.cell_waits || Date.now() - stopPressedAt < STOP_AGAIN_MS) kernel.interrupt();
      else chat.notify(UNREACHABLE, true);
      stopPressedAt = Date.now();
    }
    return sent;
  }
}
