"""`perfpath demo`: a lab of its own, a ping through it, and the way the packets went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import perfpath
from perfpath.commands import options as shared
from perfpath.commands import report, run
from perfpath.errors import CaptureError

if TYPE_CHECKING:
    import argparse

    from perfpath.capture.lab import Lab

HELP = """Build a small network on this host (a bridge and two namespaces wired to it, under random names and free
addresses), ping one of them, show which way the packets went, and take everything down again. Where tracing isn't
possible, the same is shown from a recording."""

SAMPLE = Path("samples", "demo")
PLACES = (Path(perfpath.__file__).parent, Path(perfpath.__file__).parent.parent)  # a wheel's, a checkout's


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath demo`."""
    parser.add_argument("-c", "--count", type=int, default=2, metavar="N", help="how many pings (default 2)")
    run.add_saving(parser)
    run.add_tracing(parser)
    shared.add_output(parser)
    shared.add_tracking(parser)
    shared.add_filters(parser)


def execute(options: argparse.Namespace) -> int:
    """Show the demo, live where possible."""
    from perfpath.capture.lab import Lab
    from perfpath.capture.tool import find_perf

    try:
        find_perf(options.perf)  # before anything is built
        with Lab() as lab:
            address = build(lab)
            run.say(f"built a lab: {lab.prefix}br (bridge, here) and the namespaces {lab.prefix}-web, {lab.prefix}-db")
            return run.trace(("ping", "-c", str(options.count), "-i", "0.3", address), options)
    except CaptureError as error:
        sample = next((place / SAMPLE for place in PLACES if (place / SAMPLE).is_dir()), None)
        if sample is None:
            raise
        run.say(f"{error}\n          The same from a recording of this demo ({SAMPLE}):\n")
        return report.show(str(sample), options)


def build(lab: Lab) -> str:
    """A bridge on the host with two namespaces behind it, each with an eth0; returns the address of one of them.

    One ping is sent through before anything is traced: it shows that all is up, and settles the ARP entries.
    """
    bridge, net = f"{lab.prefix}br", lab.subnet()
    ports = []
    for number, label in enumerate(("web", "db"), start=2):
        netns, port = lab.namespace(label), f"{lab.prefix}{label}"
        lab.veth("", port, netns, "eth0")
        lab.address(netns, "eth0", f"{net[number]}/24")
        ports.append(port)
    lab.bridge("", bridge, *ports)
    lab.address("", bridge, f"{net[1]}/24")
    lab.run("", "ping", "-c", "1", "-W", "2", str(net[2]))
    return str(net[2])
