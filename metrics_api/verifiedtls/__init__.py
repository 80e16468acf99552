"""Verified TLS from kube-apiserver: a serving certificate of our own authority, shared by all replicas and renewed."""
