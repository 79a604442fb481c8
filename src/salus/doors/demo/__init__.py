"""A network of four members in one process, and the tour through it."""
