"""Ways in: HTTP and the command line. They decode, call and encode; no rule lives here."""
