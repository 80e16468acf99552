"""Our own metrics: plain counts, kept here and by the workers, and what makes Prometheus' text of them when asked."""
