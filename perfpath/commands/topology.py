"""`perfpath topology`: namespaces, their interfaces, and where each link leads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from perfpath.diagnostics import Diagnostics
from perfpath.errors import EXIT_OK, InventoryError
from perfpath.escape import visible

if TYPE_CHECKING:
    import argparse

    from perfpath.netns.inventory import Inventory

NAME = "topology"
HELP = """Show the network namespaces of this host, their interfaces, and where each link leads: which veth belongs to
which container, without tracing anything. Root sees everything; others see their own namespace.

NAME asks for one: eth0, eth0@web, @web or web (a namespace), or an inode number.

On a machine without perfpath, these two commands (as root) save the same with plain iproute2, for --from-ip-json:
  mkdir topology && cd topology && (stat -Lc '%i host' /proc/1/ns/net; ls -Li /run/netns) > inums
  ip -j -d addr > host.json; for n in $(ls /run/netns); do ip -n $n -j -d addr > $n.json; done
or, into one file, with containers too (put further files that name a namespace into the list):
  for n in /proc/1/ns/net /run/netns/* /run/docker/netns/*; do
    stat -Lc '%i %n' $n && nsenter --net=$n ip -j -d addr; done > topology.txt"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath topology`."""
    from perfpath.render.topology import FORMATS

    parser.add_argument("name", nargs="?", metavar="NAME", help="show only this interface or namespace")
    parser.add_argument("--format", choices=FORMATS, default="tree", help="tree is for people; json can be read again")
    parser.add_argument("-o", "--output", metavar="FILE", help="write it here; - is standard output")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--from", dest="saved", metavar="FILE|DIR", help="a saved inventory.json, or a capture, instead of this host"
    )
    source.add_argument("--from-ip-json", metavar="FILE|DIR", help="what plain `ip -j -d addr` printed (see above)")


def execute(options: argparse.Namespace) -> int:
    """Show the topology; returns the exit status."""
    from perfpath.commands.results import opened
    from perfpath.netns.query import find
    from perfpath.render.topology import note_lines, show_topology

    diagnostics = Diagnostics()
    inventory = _inventory(options, diagnostics)
    sys.stderr.write("".join(f"perfpath: {line}\n" for line in note_lines(diagnostics)))
    try:
        chosen = None if options.name is None else find(inventory, options.name)
    except InventoryError as error:
        if not Path(options.name).exists():
            raise
        raise InventoryError(
            f"{error}; to read a file or a capture of that name: --from {visible(options.name)}"
        ) from None
    with opened(options.output, sys.stdout) as stream:
        show_topology(options.format, inventory, stream, chosen=chosen)
    return EXIT_OK


def _inventory(options: argparse.Namespace, diagnostics: Diagnostics) -> Inventory:
    if options.saved is not None:
        from perfpath.netns.saved import from_json

        path = Path(options.saved)
        path = path / "inventory.json" if path.is_dir() else path
        try:
            return from_json(path.read_bytes(), str(path))
        except OSError as error:
            raise InventoryError(f"{visible(str(path))} can't be read: {error.strerror}") from error
    if options.from_ip_json is not None:
        from perfpath.netns.ip_json import from_ip_json

        return from_ip_json(Path(options.from_ip_json))
    from perfpath.netns.live import take

    return take(diagnostics, thorough=True)
