"""``metrics-api doctor``: what is wrong with a cluster's metrics API, and what to do about it.

Two halves that do not mix. ``gathering`` asks the cluster and the server, only ever to read, and returns ``Facts``; the
modules in ``checks`` are pure functions from ``Facts`` to ``Finding``s, so that a test of one is a table.
"""
