"""Benchmarks: seeded, each in a fresh process. ``python -m benchmarks`` runs them all and prints what they print."""
