"""Watches: the changes of nodes and pods as they happen, for as long as a client listens."""
