"""Read models: what the log says, as SQL tables that can be thrown away and made again."""
