"""One module a subject; each has functions from ``Facts`` to findings, pure and quick."""
