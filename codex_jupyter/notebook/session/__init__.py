"""Threads of a notebook, and the turns that run on them."""
