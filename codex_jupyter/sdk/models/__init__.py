"""Values of the SDK: items, events, inputs, options, turns, approvals. They do no I/O."""
