"""A member's running process: engines, journal, vault, witness. Disks, clocks and threads."""
