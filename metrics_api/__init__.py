"""A resource metrics API for Kubernetes. ``app`` joins the parts; ``docs/architecture.md`` draws them."""

__version__ = "0.1.0"
