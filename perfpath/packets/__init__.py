"""Packet headers: decoded, recognised again, filtered, named, kept as pcapng. Pure functions on bytes and tables."""
