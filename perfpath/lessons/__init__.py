"""Teaches how the tracepoints were found: knowledge, scenarios, and reasoning computed from recordings."""
