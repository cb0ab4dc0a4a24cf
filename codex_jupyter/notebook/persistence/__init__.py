"""Threads across kernels: the stored records, the saved notebook, and exported files."""
