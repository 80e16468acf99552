"""A cluster in a process: an API server with an aggregation layer, simulated kubelets, certificates.

For the demo, the tests and the benchmarks, on loopback. It is not a Kubernetes.
"""
