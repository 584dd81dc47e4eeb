"""The kernel's own word for where each hop was: bpftrace beside perf, on the same tracepoints.

Only for tests. The kernel runs a tracepoint's programs before it gives the event to perf (perf_trace_run_bpf_submit in
kernel/events/core.c), so that each event's line is the last one of its CPU with an earlier time.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from perfpath.journeys.tracker import Result

EVENTS = ("net_dev_queue", "netif_rx", "netif_receive_skb_entry", "napi_gro_receive_entry")
IPV4 = int.from_bytes((0x0800).to_bytes(2, "big"), sys.byteorder)  # an ARP frame may look like ICMP by its bytes
PROGRAM = """
BEGIN { printf("ready\\n"); }
""" + "".join(
    f"""tracepoint:net:{event} {{
  $s = (struct sk_buff *)args->skbaddr;
  $n = $s->head + $s->network_header;
  $p = $s->protocol == {IPV4} ? *(uint8*)($n + 9) : (uint8)0;
  printf("%llu %d {event} %llx %u %d %d %llx\\n", nsecs, cpu, (uint64)args->skbaddr, $s->dev->nd_net.net->ns.inum,
    $s->dev->ifindex, $p, *(uint64*)($n + 20));
}}
"""
    for event in EVENTS
)


def missing() -> str:
    """Why there is no oracle here, or ""."""
    return "" if shutil.which("bpftrace") else "bpftrace is not installed"


@dataclass(frozen=True)
class Sight:
    """One line of the oracle. packet: what identifies an ICMP echo packet, () for others."""

    time: int
    cpu: int
    event: str
    address: int
    netns: int
    packet: tuple[int, ...]


@dataclass
class Score:
    """How many hops are right, unknown and wrong; journeys that mix packets, packets that are in several journeys."""

    right: int = 0
    unknown: int = 0
    wrong: int = 0
    unseen: int = 0
    packets: int = 0
    joined: int = 0
    cut: int = 0

    def __str__(self) -> str:
        share = self.right / max(1, self.right + self.unknown + self.wrong)
        return (
            f"right {self.right} ({share:.1%})  unknown {self.unknown}  wrong {self.wrong}  "
            f"packets {self.packets}  joined wrongly {self.joined}  cut wrongly {self.cut}  unseen {self.unseen}"
        )


class Watch:
    """Records with perf, and has bpftrace watch, while the `with` block runs."""

    def __init__(self, folder: Path, *, oracle: bool = True, events: tuple[str, ...] = EVENTS) -> None:
        self.recording = folder / "perf.data"
        self._lines = folder / "oracle.txt"
        self._errors = folder / "errors.txt"
        self._oracle = oracle
        self._events = events
        self._running: list[subprocess.Popen[bytes]] = []
        self._control: tuple[int, ...] = ()

    def __enter__(self) -> Self:
        if self._oracle:
            self._start_oracle()
        self._start_perf()
        return self

    def _start_oracle(self) -> None:
        env = {**os.environ, "BPFTRACE_PERF_RB_PAGES": "4096", "BPFTRACE_STRLEN": "32"}
        with self._lines.open("wb") as out, self._errors.open("wb") as errors:
            bpftrace = subprocess.Popen(["bpftrace", "-e", PROGRAM], stdout=out, stderr=errors, env=env)
        self._running.append(bpftrace)
        while b"ready" not in self._lines.read_bytes():
            try:
                bpftrace.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"bpftrace: {self._errors.read_text()}")

    def _start_perf(self) -> None:
        command_in, command_out = os.pipe()
        answer_in, answer_out = os.pipe()
        events = [word for event in self._events for word in ("-e", f"net:{event}")]
        perf = subprocess.Popen(
            [
                *("perf", "record", "-q", "-a", "--namespaces", "-k", "CLOCK_MONOTONIC", "-D", "-1", "-m", "4M"),
                *(f"--control=fd:{command_in},{answer_out}", "-o", str(self.recording), *events),
            ],
            pass_fds=(command_in, answer_out),
            stderr=subprocess.DEVNULL,
        )
        self._running.append(perf)
        os.close(command_in)
        os.close(answer_out)
        os.write(command_out, b"enable\n")
        assert os.read(answer_in, 16).startswith(b"ack"), "perf record did not start"
        self._control = (command_out, answer_in)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in reversed(self._running):
            process.send_signal(signal.SIGINT)
            process.wait(30)
        for descriptor in self._control:
            os.close(descriptor)

    def sights(self) -> list[Sight]:
        """What the oracle saw."""
        found = []
        for line in self._lines.read_text().splitlines():
            parts = line.split()
            if len(parts) == 8:
                time, cpu, event, address, netns, _, protocol, word = parts
                packet = _echo(int(word, 16)) if protocol == "1" else ()
                found.append(Sight(int(time), int(cpu), event, int(address, 16), int(netns), packet))
        return found

    def score(self, result: Result, ours: set[int], prefix: str, copies: int = 1) -> Score:
        """Compare every hop with the kernel's namespace, and journeys with echo packets.

        Others work on this machine, too: only hops in `ours` count, and those at devices whose names begin with prefix.
        copies: the sk_buffs that each packet is on its way, one after the other: each is a journey.
        """
        seen: dict[int, list[Sight]] = defaultdict(list)
        for sight in sorted(self.sights(), key=lambda sight: sight.time):
            seen[sight.cpu].append(sight)
        times = {cpu: [sight.time for sight in sights] for cpu, sights in seen.items()}
        score, used = Score(), set[tuple[int, int]]()
        packets_of: dict[int, set[tuple[int, ...]]] = defaultdict(set)
        journeys_of: dict[tuple[int, ...], set[int]] = defaultdict(set)
        hops = result.hops
        columns = (hops[name].tolist() for name in ("time_ns", "cpu", "skbaddr", "netns", "journey"))
        texts = zip(hops.texts("event"), hops.texts("dev"), strict=True)
        for (time, cpu, address, netns, journey), (event, dev) in sorted(
            zip(zip(*columns, strict=True), texts, strict=True), key=lambda row: row[0]
        ):
            at = bisect_right(times.get(cpu, []), time) - 1
            if at < 0 or (cpu, at) in used:  # the oracle loses lines under load, and says nothing
                score.unseen += 1
                continue
            used.add((cpu, at))
            sight = seen[cpu][at]
            if (sight.event, sight.address) != (event, address):
                score.unseen += 1
                continue
            if sight.netns not in ours and not (dev or "").startswith(prefix):
                continue
            score.right += netns == sight.netns
            score.unknown += netns == 0
            score.wrong += netns not in (0, sight.netns)
            if sight.packet:
                packets_of[journey].add(sight.packet)
                journeys_of[sight.packet].add(journey)
        score.packets = len(journeys_of)
        score.joined = sum(len(packets) > 1 for packets in packets_of.values())
        score.joined += sum(len(journeys) < copies for journeys in journeys_of.values())
        score.cut = sum(len(journeys) > copies for journeys in journeys_of.values())
        return score


def _echo(word: int) -> tuple[int, ...]:
    """(type, id, seq) of an ICMP echo header read as a little-endian word; () for other ICMP."""
    raw = word.to_bytes(8, "little")
    return (raw[0], int.from_bytes(raw[4:6], "big"), int.from_bytes(raw[6:8], "big")) if raw[0] in (0, 8) else ()
