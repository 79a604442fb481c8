"""
A module that only benchmarks run: rows by key and value, number 15.

It lies outside `salus`, so no node ships it and no node's list of modules names it: a genesis file
that asks for it is refused by every real node. Here a process adds it to that list for itself.
"""
