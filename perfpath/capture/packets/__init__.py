"""Packet sockets beside perf: the packets' own bytes."""
