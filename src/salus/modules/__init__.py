"""The domains of the machine, one folder each, with the same files in each."""
