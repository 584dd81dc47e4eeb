"""Bytes of a recording to EVENTS: every format perfpath reads."""
