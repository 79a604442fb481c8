"""
The databases Salus is measured beside: same machine, same run, same durability.

Each peer answers a write only after it is synced to disk; all write the same rows from the same
number of clients. `peer` says what a peer is, `arms` lists them, `python -m bench.peers` runs them.
"""
