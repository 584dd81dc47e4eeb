"""Makes a veth device receive as real cards do: by NAPI, with GRO (SIOCETHTOOL; there may be no ethtool program)."""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
from pathlib import Path

from perfpath.errors import CaptureError
from perfpath.escape import visible
from perfpath.netns.enter import within

SIOCETHTOOL = 0x8946  # include/uapi/linux/sockios.h
ETHTOOL_SGRO, ETHTOOL_STSO = 0x2C, 0x1F  # include/uapi/linux/ethtool.h


def like_a_card(netns: str, dev: str) -> None:
    """Switch GRO on, which gives a veth NAPI, and TSO off: veth hands to NAPI only what no TSO sender made.

    netns: its name under /run/netns, "" for the host. Raises CaptureError where the kernel refuses (before 5.13).
    """
    place = f"/run/netns/{netns}" if netns else "/proc/self/ns/net"
    try:
        within(place, Path(place).stat().st_ino, lambda: _switch(dev))
    except OSError as error:
        raise CaptureError(
            f"the lab can't be built: {visible(dev)} can't get NAPI: {error.strerror}; Linux 5.13 or newer is needed"
        ) from error


def _switch(dev: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command, value in ((ETHTOOL_SGRO, 1), (ETHTOOL_STSO, 0)):
            setting = array.array("B", struct.pack("II", command, value))  # struct ethtool_value
            request = struct.pack("16sP", os.fsencode(dev), setting.buffer_info()[0]).ljust(40, b"\0")  # struct ifreq
            fcntl.ioctl(control, SIOCETHTOOL, request)
