"""Starts perf and the traced command; the only room that touches the live kernel."""
