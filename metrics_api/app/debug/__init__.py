"""``/debug/status`` and ``/debug/nodes``: how the server stands, for ``metrics-api doctor`` and for people."""
