// The entry point of the widget, as anywidget calls it: `initialize` once for a widget, `render` for each place that shows it.

/** @import { WidgetModel } from "./front_end.js" */

import { Connection } from "./connection.js";
import { CellInserter } from "./notebook_cells.js";
import { renderChat } from "./views/chat.js";

export default () => {
  /** @type {Connection} */
  let connection;
  /** @type {CellInserter} */
  let cells;
  return {
    /** @param {{ model: WidgetModel }} context */
    initialize({ model }) {
      connection = new Connection(model);
      cells = new CellInserter(model);
      return connection.open();
    },
    /** @param {{ model: WidgetModel, el: HTMLElement }} context */
    render({ el }) {
      return renderChat(connection, cells, el);
    },
  };
};
