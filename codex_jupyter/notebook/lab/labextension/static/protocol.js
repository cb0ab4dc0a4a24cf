// The messages between the kernel and the page, as in protocol.py. A test compares the files.

/**
 * @typedef {object} PageImage
 * @property {string} type
 * @property {string} data
 */

/**
 * @typedef {object} PageCell
 * @property {string} id
 * @property {string} type
 * @property {number | null} number
 * @property {string} source
 * @property {string} output
 * @property {PageImage} [image]
 */

/**
 * @typedef {object} OpenData
 * @property {string} page
 * @property {string} role
 * @property {number} protocol
 * @property {Record<string, any>} [settings]
 * @property {boolean} [shared]
 * @property {string} [session]
 */

/**
 * @typedef {object} CellOutput
 * @property {string} id
 * @property {Record<string, any>} data
 * @property {Record<string, any>} metadata
 */

/**
 * @typedef {object} TurnInCell
 * @property {string} cell
 * @property {string} request
 * @property {number} earlier
 * @property {CellOutput[]} outputs
 */

// Messages to the page.

/**
 * @typedef {object} WelcomeMessage
 * @property {"welcome"} type
 * @property {number} protocol
 * @property {string[]} subshells
 */

/**
 * @typedef {object} DoneMessage
 * @property {"done"} type
 * @property {number} id
 * @property {string} error
 * @property {Record<string, any>} result
 */

/**
 * @typedef {object} ChangeMessage
 * @property {"change"} type
 * @property {string} edit
 * @property {string} cell
 * @property {string} before
 * @property {string} after
 * @property {boolean} apply
 * @property {string} fixes
 * @property {boolean} run
 */

/**
 * @typedef {object} OutputsMessage
 * @property {"outputs"} type
 * @property {TurnInCell} turn
 */

/**
 * @typedef {object} CellsMessage
 * @property {"cells"} type
 * @property {number} request
 * @property {string} do
 * @property {string} home
 * @property {Record<string, any>} arguments
 */

/**
 * @typedef {object} FilesMessage
 * @property {"files"} type
 */

/**
 * @typedef {object} MarkedMessage
 * @property {"marked"} type
 * @property {string} thread
 * @property {string | null} turn
 * @property {number | null} start
 * @property {boolean} undone
 * @property {Record<string, any>} mark
 */

/**
 * @typedef {object} ProblemMessage
 * @property {"problem"} type
 * @property {string} text
 */

/**
 * @typedef {WelcomeMessage | DoneMessage | ChangeMessage | OutputsMessage | CellsMessage | FilesMessage | MarkedMessage |
 *   ProblemMessage} Message
 */

// Actions of the page.

/**
 * @typedef {object} ChatAction
 * @property {"chat"} do
 * @property {number} id
 */

/**
 * @typedef {object} PromptAction
 * @property {"prompt"} do
 * @property {number} id
 * @property {string} kind
 * @property {string} text
 * @property {PageCell} cell
 * @property {PageCell[]} [others]
 * @property {number} [attempt]
 */

/**
 * @typedef {object} SettingsAction
 * @property {"settings"} do
 * @property {number} id
 * @property {Record<string, any>} settings
 */

/**
 * @typedef {object} NotebooksAction
 * @property {"notebooks"} do
 * @property {number} id
 * @property {string[]} paths
 */

/**
 * @typedef {object} UndoAction
 * @property {"undo"} do
 * @property {number} id
 * @property {string} thread
 * @property {string | null} turn
 * @property {number | null} start
 * @property {boolean} redo
 */

/**
 * @typedef {object} ApplyUndoAction
 * @property {"apply_undo"} do
 * @property {number} id
 * @property {string[]} keep
 */

/**
 * @typedef {object} AnswerAction
 * @property {"answer"} do
 * @property {number} request
 * @property {string} error
 * @property {Record<string, any>} result
 */

/**
 * @typedef {object} DecidedAction
 * @property {"decided"} do
 * @property {string} edit
 * @property {string} decision
 * @property {Record<string, any>} result
 */

/**
 * @typedef {ChatAction | PromptAction | SettingsAction | NotebooksAction | UndoAction | ApplyUndoAction | AnswerAction |
 *   DecidedAction} Action
 */

/** The name under which the page opens its comms to the kernel. */
export const COMM_TARGET = "codex_jupyter.lab";
/** Version of the messages. The page and the kernel can have different versions of the package. */
export const PROTOCOL = 2;
