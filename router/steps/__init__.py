"""The nine steps of a request, in the order in which `pipeline.py` takes them.

parse -> validate -> moderate -> estimate -> route -> dispatch -> verify -> record -> respond

Each takes values and returns a new one. Only `dispatch` spends money; `record` runs after failures too. Steps do not
import each other: the pipeline hands on what they return.
"""
