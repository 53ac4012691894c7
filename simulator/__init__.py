"""Twins of the vendors' APIs on one local port: same wire, limits and refusals, drawn pictures, faults on demand.

`server.running()` serves them for a block, `server.serve()` until Ctrl-C; `faults` lists what can be made to go wrong.
"""
