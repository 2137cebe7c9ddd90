"""Measurements of what takes time: ``make bench`` runs them and writes docs/benchmarks.md."""
