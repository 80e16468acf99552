"""Simulated kubelets, each on a loopback address of its own, and the Node and Pod objects they stand for.

``server.Fleet`` is the whole of it. What a container uses is a function of time alone, so nothing runs between
requests and the truth behind every document can be asked for.
"""
