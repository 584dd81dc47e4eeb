"""Dynamic events on the four tracepoints, which carry the packet and its namespace."""
