"""A small network of namespaces on this host: for the demo, the lessons and the tests.

Names are random, addresses are from the range for benchmarks (198.18.0.0/15, RFC 2544) and checked to be free, and a
janitor process removes everything when the lab is closed or its builder is gone, however that ended.
"""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Self

from perfpath.errors import CaptureError

if TYPE_CHECKING:
    from types import TracebackType

POOL = ipaddress.ip_network("198.18.0.0/15")


class Lab:
    """Namespaces, veth pairs and bridges that live as long as the `with` block.

    Namespaces are spoken of by the full name that `namespace` returned; "" is the host.
    Raises CaptureError where one can't be built: no root, no iproute2, or what `ip` says.
    """

    def __init__(self) -> None:
        self.prefix = f"pp{secrets.token_hex(3)}"
        self._janitor: subprocess.Popen[str] | None = None
        self._subnets: set[ipaddress.IPv4Network] = set()

    def __enter__(self) -> Self:
        if shutil.which("ip") is None:
            raise CaptureError("the `ip` command is missing: install iproute2 (apt-get install iproute2)")
        if os.geteuid() != 0:
            raise CaptureError("network namespaces can only be made by root: try again with sudo")
        self._janitor = subprocess.Popen(
            [sys.executable, "-P", "-m", "perfpath.capture.janitor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take everything down, and wait until it is gone."""
        janitor, self._janitor = self._janitor, None
        if janitor and janitor.stdin:
            janitor.stdin.close()
            janitor.wait()

    def namespace(self, label: str) -> str:
        """Make a namespace; returns its full name. Its loopback is up."""
        name = f"{self.prefix}-{label}"
        self._promise(f"netns {name}")
        self.ip("netns", "add", name)
        self.ip("link", "set", "lo", "up", netns=name)
        return name

    def veth(self, left: str, left_dev: str, right: str, right_dev: str) -> None:
        """Wire two namespaces with a veth pair, both ends up."""
        for netns, dev in ((left, left_dev), (right, right_dev)):
            if not netns:
                self._promise(f"link {dev}")
        ends = [[*(["netns", netns] if netns else [])] for netns in (left, right)]
        self.ip("link", "add", "name", left_dev, *ends[0], "type", "veth", "peer", "name", right_dev, *ends[1])
        for netns, dev in ((left, left_dev), (right, right_dev)):
            self.up(netns, dev)

    def bridge(self, netns: str, dev: str, *ports: str) -> None:
        """Make a bridge with these ports, up, without spanning tree."""
        if not netns:
            self._promise(f"link {dev}")
        self.ip("link", "add", "name", dev, "type", "bridge", netns=netns)
        for port in ports:
            self.ip("link", "set", "dev", port, "master", dev, netns=netns)
        self.up(netns, dev)

    def up(self, netns: str, dev: str) -> None:
        """Bring a device up, quiet: without the IPv6 autoconfiguration that would send packets of its own."""
        self._sysctl(netns, f"net/ipv6/conf/{dev}/disable_ipv6", "1", check=False)  # there may be no IPv6 at all
        self.ip("link", "set", "dev", dev, "up", netns=netns)

    def address(self, netns: str, dev: str, address: str) -> None:
        """Give a device an address with prefix length, such as 198.18.5.1/24."""
        self.ip("address", "add", address, "dev", dev, netns=netns)

    def forward(self, netns: str) -> None:
        """Make a namespace of the lab a router."""
        self._sysctl(netns, "net/ipv4/ip_forward", "1")

    def subnet(self) -> ipaddress.IPv4Network:
        """A /24 that no address or route of this host touches, and that this lab didn't have yet."""
        taken = self._taken()
        choices = [net for net in POOL.subnets(new_prefix=24) if not any(net.overlaps(other) for other in taken)]
        if not choices:
            raise CaptureError(f"no free /24 is left in {POOL} for the lab: `ip route` shows who uses it")
        chosen = secrets.choice(choices)
        assert isinstance(chosen, ipaddress.IPv4Network)  # noqa: S101 - the pool is IPv4
        self._subnets.add(chosen)
        return chosen

    def _taken(self) -> set[ipaddress.IPv4Network]:
        used = set(self._subnets)
        for route in json.loads(self.ip("-j", "-4", "route", "show", "table", "all").stdout or "[]"):
            if (text := route.get("dst", "default")) != "default":
                used.add(ipaddress.IPv4Network(text, strict=False))
        return {net for net in used if net.prefixlen >= 8}  # a default route isn't a use

    def command(self, netns: str, *argv: str) -> list[str]:
        """The command line that runs argv in a namespace."""
        return ["ip", "netns", "exec", netns, *argv] if netns else list(argv)

    def run(
        self, netns: str, *argv: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a namespace and wait for it. Raises CaptureError where it fails and check is set."""
        try:
            done = subprocess.run(self.command(netns, *argv), check=False, capture_output=True, text=True, input=stdin)
        except OSError as error:
            raise CaptureError(f"the lab can't be built: {argv[0]}: {error.strerror}") from error
        if check and done.returncode:
            raise CaptureError(f"the lab can't be built: {' '.join(argv)}: {done.stderr.strip() or done.returncode}")
        return done

    def ip(self, *args: str, netns: str = "") -> subprocess.CompletedProcess[str]:
        """Run `ip`, in a namespace where one is given."""
        return self.run("", "ip", *(["-n", netns] if netns else []), *args)

    def _sysctl(self, netns: str, path: str, value: str, *, check: bool = True) -> None:
        """Set a value; with tee, since a bare machine has no sysctl(8)."""
        self.run(netns, "tee", f"/proc/sys/{path}", check=check, stdin=value)

    def _promise(self, line: str) -> None:
        """Tell the janitor before the thing exists: it must be removed whatever happens next."""
        if self._janitor is None or self._janitor.stdin is None:
            raise CaptureError("the lab is closed")
        self._janitor.stdin.write(line + "\n")
        self._janitor.stdin.flush()
