"""Tools with which the agent looks at the kernel and runs code in it."""
