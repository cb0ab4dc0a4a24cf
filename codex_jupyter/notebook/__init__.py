"""Everything that knows IPython: the magics and what they are made of."""
