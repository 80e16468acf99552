"""The aggregation layer: hands API groups that APIService objects claim to extension servers, as kube-apiserver does.

It is as strict as the real one, because a test of an extension server is worth what its counterpart is worth. Facts:
kube-aggregator 232ca687 and apiserver 24a394e5.
"""
