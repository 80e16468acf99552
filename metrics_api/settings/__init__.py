"""Settings: metrics-server's flags and our own, read once, judged together, frozen."""
