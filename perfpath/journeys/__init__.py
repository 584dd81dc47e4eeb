"""Decides which events are one packet, where each hop is and what role it has: pure functions on tables."""
