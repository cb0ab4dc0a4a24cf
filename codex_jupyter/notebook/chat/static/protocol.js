// The messages between the kernel and the page, as in protocol.py and page_actions.py. A test compares the files.

/**
 * @typedef {object} Block
 * @property {string} block
 * @property {string} kind
 * @property {string} [html]
 * @property {string} [text]
 * @property {string} [source]
 * @property {string[]} [languages]
 * @property {string} [append]
 * @property {string} [more]
 * @property {number} [running]
 */

/**
 * @typedef {object} TurnState
 * @property {string} id
 * @property {string} prompt
 * @property {number | null} at
 * @property {string} status
 * @property {Block[]} blocks
 * @property {string} [took]
 * @property {boolean} [undone]
 */

/**
 * @typedef {object} UndoFile
 * @property {string} path
 * @property {string} name
 * @property {string} action
 */

/**
 * @typedef {object} UndoPreview
 * @property {boolean} redo
 * @property {string} title
 * @property {UndoFile[]} files
 * @property {string[]} notes
 */

/**
 * @typedef {object} TokenUsage
 * @property {number | null} turn
 * @property {number | null} context
 * @property {number | null} window
 */

/**
 * @typedef {object} ThreadName
 * @property {string} name
 * @property {string} title
 */

/**
 * @typedef {object} PresetChoice
 * @property {string} name
 * @property {string} label
 * @property {string} description
 */

/**
 * @typedef {object} Thumbnail
 * @property {string} item
 * @property {string} url
 * @property {string} caption
 */

/**
 * @typedef {object} QueuedPrompt
 * @property {string} item
 * @property {string} text
 * @property {Thumbnail[]} images
 */

/**
 * @typedef {object} ThreadOffer
 * @property {string} id
 * @property {number} turns
 * @property {string} prompt
 */

/**
 * @typedef {object} StoredThread
 * @property {string} id
 * @property {string} title
 * @property {number} at
 * @property {number} turns
 */

/**
 * @typedef {object} Plot
 * @property {string} spec
 * @property {string} url
 * @property {string} caption
 */

/**
 * @typedef {object} Mention
 * @property {string} name
 * @property {string} text
 * @property {string} description
 */

/**
 * @typedef {object} Fact
 * @property {string} name
 * @property {string} text
 */

/**
 * @typedef {object} Choice
 * @property {string} choice
 * @property {string} meaning
 * @property {string} [label]
 */

/**
 * @typedef {object} QuestionField
 * @property {string} id
 * @property {string} text
 * @property {boolean} optional
 * @property {string[]} options
 * @property {string[]} hints
 * @property {boolean} secret
 * @property {string} value
 */

/**
 * @typedef {object} QuestionCard
 * @property {string} item
 * @property {string} title
 * @property {Fact[]} facts
 * @property {Choice[]} choices
 * @property {QuestionField[]} questions
 */

// Messages to the page.

/**
 * @typedef {object} StateMessage
 * @property {"state"} type
 * @property {number} sequence
 * @property {string} secret
 * @property {number} start
 * @property {TurnState[]} turns
 */

/**
 * @typedef {object} EarlierMessage
 * @property {"earlier"} type
 * @property {number} sequence
 * @property {number} start
 * @property {TurnState[]} turns
 */

/**
 * @typedef {object} MetaMessage
 * @property {"meta"} type
 * @property {number} sequence
 * @property {string} thread
 * @property {string} thread_id
 * @property {ThreadName[]} threads
 * @property {string} action
 * @property {boolean} waits
 * @property {TokenUsage} usage
 * @property {boolean} running
 * @property {number} seconds
 * @property {boolean} cell_waits
 * @property {boolean} can_steer
 * @property {Record<string, string>} settings
 * @property {Record<string, string[]>} choices
 * @property {Record<string, string>} effective
 * @property {string} preset
 * @property {PresetChoice[]} presets
 * @property {string} problem
 * @property {string[]} bounded
 * @property {boolean} locked
 * @property {boolean} variables
 * @property {string} loss
 * @property {ThreadOffer | null} offer
 * @property {QueuedPrompt[]} queue
 * @property {Thumbnail[]} attached
 * @property {boolean} demo
 * @property {string} id
 */

/**
 * @typedef {object} TurnMessage
 * @property {"turn"} type
 * @property {number} sequence
 * @property {string} id
 * @property {string} prompt
 * @property {number | null} at
 */

/**
 * @typedef {object} BlocksMessage
 * @property {"blocks"} type
 * @property {number} sequence
 * @property {string} turn
 * @property {Block[]} blocks
 */

/**
 * @typedef {object} EndMessage
 * @property {"end"} type
 * @property {number} sequence
 * @property {string} turn
 * @property {string} status
 * @property {string} took
 * @property {number} copy
 */

/**
 * @typedef {object} QuestionMessage
 * @property {"question"} type
 * @property {number} sequence
 * @property {number} number
 * @property {QuestionCard | null} question
 */

/**
 * @typedef {object} ProgressMessage
 * @property {"progress"} type
 * @property {number} sequence
 * @property {string} action
 * @property {boolean} waits
 * @property {TokenUsage} usage
 */

/**
 * @typedef {object} IdeasMessage
 * @property {"ideas"} type
 * @property {number} sequence
 * @property {string[]} ideas
 */

/**
 * @typedef {object} DiffMessage
 * @property {"diff"} type
 * @property {number} sequence
 * @property {string} html
 */

/**
 * @typedef {object} UndoMessage
 * @property {"undo"} type
 * @property {number} sequence
 * @property {UndoPreview} preview
 */

/**
 * @typedef {object} NoticeMessage
 * @property {"notice"} type
 * @property {number} sequence
 * @property {string} text
 */

/**
 * @typedef {object} StoredMessage
 * @property {"stored"} type
 * @property {number} sequence
 * @property {string} search
 * @property {boolean} archived
 * @property {StoredThread[]} threads
 */

/**
 * @typedef {object} PlotsMessage
 * @property {"plots"} type
 * @property {number} sequence
 * @property {Plot[]} plots
 */

/**
 * @typedef {object} OffersMessage
 * @property {"offers"} type
 * @property {number} sequence
 * @property {Mention[]} offers
 */

/**
 * @typedef {object} CopyMessage
 * @property {"copy"} type
 * @property {number} sequence
 * @property {Record<string, any>} bundle
 */

/**
 * @typedef {object} DoneMessage
 * @property {"done"} type
 * @property {number} sequence
 * @property {number | null} id
 * @property {string} error
 */

/**
 * @typedef {StateMessage | EarlierMessage | MetaMessage | TurnMessage | BlocksMessage | EndMessage | QuestionMessage | ProgressMessage
 *   | IdeasMessage | DiffMessage | UndoMessage | NoticeMessage | StoredMessage | PlotsMessage | OffersMessage | CopyMessage
 *   | DoneMessage} Message
 */

// Actions of the page. The connection adds the chat's key, the secret, and an id that the answer repeats.

/**
 * @typedef {object} SyncAction
 * @property {"sync"} do
 */

/**
 * @typedef {object} SendAction
 * @property {"send"} do
 * @property {string} text
 */

/**
 * @typedef {object} StopAction
 * @property {"stop"} do
 */

/**
 * @typedef {object} SteerAction
 * @property {"steer"} do
 * @property {string} text
 */

/**
 * @typedef {object} AnswerAction
 * @property {"answer"} do
 * @property {number} number
 * @property {string} [choice]
 * @property {Record<string, string>} [answers]
 */

/**
 * @typedef {object} UnqueueAction
 * @property {"unqueue"} do
 * @property {string} item
 * @property {boolean} [edit]
 */

/**
 * @typedef {object} NextAction
 * @property {"next"} do
 */

/**
 * @typedef {object} EarlierAction
 * @property {"earlier"} do
 * @property {number} before
 */

/**
 * @typedef {object} ChooseAction
 * @property {"choose"} do
 * @property {string} trait
 * @property {string} value
 */

/**
 * @typedef {object} AgainAction
 * @property {"again"} do
 * @property {string} turn
 * @property {string} text
 */

/**
 * @typedef {object} ReviewAction
 * @property {"review"} do
 * @property {string} text
 */

/**
 * @typedef {object} FindAction
 * @property {"find"} do
 * @property {string} text
 * @property {number} before
 */

/**
 * @typedef {object} UndoAction
 * @property {"undo"} do
 * @property {string} turn
 * @property {boolean} redo
 */

/**
 * @typedef {object} ApplyUndoAction
 * @property {"apply_undo"} do
 * @property {string[]} keep
 */

/**
 * @typedef {object} CompactAction
 * @property {"compact"} do
 */

/**
 * @typedef {object} DiffAction
 * @property {"diff"} do
 */

/**
 * @typedef {object} IdeasAction
 * @property {"ideas"} do
 */

/**
 * @typedef {object} ThreadAction
 * @property {"thread"} do
 * @property {string} how
 * @property {string} name
 */

/**
 * @typedef {object} StoredAction
 * @property {"stored"} do
 * @property {string} search
 * @property {boolean} archived
 */

/**
 * @typedef {object} PlotsAction
 * @property {"plots"} do
 */

/**
 * @typedef {object} CopyAction
 * @property {"copy"} do
 */

/**
 * @typedef {object} OffersAction
 * @property {"offers"} do
 * @property {string} word
 */

/**
 * @typedef {object} AttachAction
 * @property {"attach"} do
 * @property {string} spec
 */

/**
 * @typedef {object} DetachAction
 * @property {"detach"} do
 * @property {string} item
 */

/**
 * @typedef {object} UploadAction
 * @property {"upload"} do
 * @property {string} item
 * @property {string} name
 * @property {boolean} last
 */

/**
 * @typedef {SyncAction | SendAction | StopAction | SteerAction | AnswerAction | UnqueueAction | NextAction | EarlierAction | ChooseAction
 *   | AgainAction | ReviewAction | FindAction | UndoAction | ApplyUndoAction | CompactAction | DiffAction | IdeasAction | ThreadAction
 *   | StoredAction | PlotsAction | CopyAction | OffersAction | AttachAction | DetachAction | UploadAction} Action
 */

/** The name under which the page opens a comm to the kernel. */
export const COMM_TARGET = "codex_jupyter.chat";
/** The MIME type of the copy of the conversation in the saved notebook. */
export const TURNS_MIME = "application/vnd.codex.turns+json";
/** The largest image that can be attached, in bytes. */
export const MAX_UPLOAD = 20 * 1024 * 1024;
/** The types of images that can be attached. */
export const IMAGE_TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
