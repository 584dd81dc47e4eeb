"""What works on this machine and what doesn't: each question asked the way a trace would ask it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from perfpath import tracepoints
from perfpath.capture import probe
from perfpath.capture.hearing import deaf_cpus
from perfpath.capture.tool import find_perf
from perfpath.capture.tprobes import events as dynamic
from perfpath.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterator

NETNS = Path("/run/netns")
LAB = re.compile(r"pp[0-9a-f]{6}-")  # how `capture.lab` names namespaces
ETH_P_ALL = 3  # include/uapi/linux/if_ether.h


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer. needed: without it nothing can be traced here; advice: what to do, "" for nothing."""

    what: str
    good: bool
    said: str
    needed: bool = False
    advice: str = ""


def examined(perf: str | None = None) -> Iterator[Finding]:
    """All findings, as they are made. Leftovers of killed runs are removed on the way."""
    yield _rights()
    found, path = _perf(perf)
    yield found
    yield _tracefs()
    yield _tracepoints()
    if path and probe.privileged():
        yield _hearing(path)
    yield _packet_socket()
    yield _leftovers()  # before what would remove them silently
    yield _dynamic_events()
    yield _program("ip", "iproute2", "labs (perfpath demo, discover)")
    yield _zstd()
    yield _labs()


def _rights() -> Finding:
    good = probe.privileged()
    paranoid = probe.first_line(probe.PARANOID) or "unreadable"
    lockdown = probe.first_line(probe.LOCKDOWN)
    if "[confidentiality]" in lockdown:
        said = "the kernel is locked down (confidentiality)"
        return Finding("rights", good=False, said=said, needed=True, advice="boot without lockdown")
    said = f"user id {os.geteuid()}, kernel.perf_event_paranoid {paranoid}"
    return Finding("rights", good, said, needed=True, advice="" if good else "run it as root (sudo perfpath doctor)")


def _perf(named: str | None) -> tuple[Finding, str]:
    try:
        path = find_perf(named)
    except CaptureError as error:
        return Finding("perf", good=False, said=str(error), needed=True), ""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, errors="replace")
    return Finding("perf", good=True, said=f"{path}: {done.stdout.strip() or done.stderr.strip()}", needed=True), path


def _tracefs() -> Finding:
    folder = probe.tracefs_events()
    advice = "" if folder else "mount -t tracefs tracefs /sys/kernel/tracing (as root)"
    return Finding("tracefs", folder is not None, str(folder or "not mounted, or unreadable"), True, advice)


def _tracepoints() -> Finding:
    wanted = tuple(event.name for event in tracepoints.MAIN)
    if probe.tracefs_events() is None:
        return Finding("tracepoints", good=False, said="can't be seen without tracefs", needed=True)
    missing = [tracepoints.perf_name(name) for name in wanted if name not in probe.existing(wanted)]
    more = tuple(name for name in tracepoints.DROPS if name not in probe.existing(tracepoints.DROPS))
    said = f"missing: {', '.join((*missing, *more))}" if missing or more else "all that are traced by default"
    return Finding("tracepoints", not missing and not more, said, needed=len(missing) == len(wanted))


def _hearing(perf: str) -> Finding:
    deaf, busy = (", ".join(map(str, sorted(cpus))) for cpus in deaf_cpus(perf))
    if deaf:
        said = f"perf shows nothing that interrupts the idle CPU {deaf}, and counts nothing as lost"
        return Finding("hearing", good=False, said=said, advice="reboot, or keep what you trace off it (taskset)")
    if busy:
        said = f"CPU {busy} was busy: whether perf shows what interrupts it when it is idle can't be told"
        return Finding("hearing", good=True, said=said)
    return Finding("hearing", good=True, said="perf shows what happens on idle CPUs")


def _packet_socket() -> Finding:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ETH_P_ALL).close()
    except (AttributeError, OSError) as error:
        return Finding("packet sockets", good=False, said=f"can't be opened: {error}", advice="try again as root")
    return Finding("packet sockets", good=True, said="show addresses and ports (--packets socket)")


def _dynamic_events() -> Finding:
    try:
        with dynamic.Tprobes():
            return Finding(
                "dynamic events", good=True, said="show bytes and namespaces in perf.data (--packets tprobe)"
            )
    except CaptureError as error:
        return Finding("dynamic events", good=False, said=str(error))
    except OSError as error:
        return Finding(
            "dynamic events", good=False, said=f"can't be made: {error.strerror}", advice="try again as root"
        )


def _program(name: str, package: str, use: str) -> Finding:
    path = shutil.which(name)
    advice = "" if path else f"install {package}"
    return Finding(name, path is not None, path or f"is missing: needed for {use}", advice=advice)


def _zstd() -> Finding:
    for module in ("compression.zstd", "zstandard"):
        with contextlib.suppress(ImportError):
            __import__(module)
            return Finding("zstd", good=True, said=f"compressed recordings are read by {module}")
    return Finding("zstd", good=False, said="compressed recordings can't be read", advice="pip install perfpath[zstd]")


def _leftovers() -> Finding:
    removed = dynamic.clean()
    said = f"removed what killed runs left: {', '.join(removed)}" if removed else "killed runs left no dynamic events"
    return Finding("leftovers", good=True, said=said)


def _labs() -> Finding:
    try:
        names = sorted(name for name in os.listdir(NETNS) if LAB.match(name))  # noqa: PTH208
    except OSError:
        names = []
    if not names:
        return Finding("labs", good=True, said="none stands here")
    advice = f"if no perfpath runs: {'; '.join(f'ip netns delete {name}' for name in names)}"
    return Finding(
        "labs", good=False, said=f"namespaces of a lab, in use or left over: {', '.join(names)}", advice=advice
    )
