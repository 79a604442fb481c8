"""
The benchmarks: every bar of the design measured beside its peers, on this machine, in one run.

`python -m bench --help`. One file a bar; `plan` lists them, `report` prints them.
"""
