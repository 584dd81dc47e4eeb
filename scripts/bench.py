"""What perfpath costs beside its peers: whole processes, interleaved runs, medians, ratios to the first of a table.

    scripts/bench [--json FILE] [--rounds N] [PART ...]

start    perfpath tracing one ping, beside perf record doing it
offline  perfpath report on a million events, beside perf script printing them to nowhere
scale    the same with ten times the events, and with 20 million under a bound on memory (--large)
traffic  a flood of packets over a bridge: untraced, under perf record, under perfpath
cost     of these, what the packets' bytes cost: none, packet sockets, dynamic events, beside tcpdump and bpftrace
machine  the same in a virtual machine whose kernel has dynamic events (scripts/vm-test); only where it is named
text, packets, read    what scripts/bench_*.py print
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench_read import CORPUS, plain

from perfpath.capture.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
PERFPATH = str(Path(sys.executable).with_name("perfpath"))
FOUR = ("net:net_dev_queue", "net:netif_receive_skb_entry", "net:netif_rx", "net:napi_gro_receive_entry")
EVENTS = [word for event in FOUR for word in ("-e", event)]
BYTES = {name: f"perfpath record -a --packets {name}" for name in ("none", "socket", "tprobe")}
COST = ("untraced", "perf record -a", *BYTES.values(), "tcpdump -i any, one namespace", "bpftrace printf")
NAMED = ("cost", "machine")  # parts that run only where they are asked for: `traffic` has the first
STRUNG = "COMMAND"
FLOOD = """
import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.connect((sys.argv[1], 9))
sent, end = 0, time.monotonic() + float(sys.argv[2])
payload = bytes(22)
while sent < int(sys.argv[3]) and time.monotonic() < end:
    try:
        sender.send(payload)
    except ConnectionRefusedError:
        pass
    sent += 1
print(sent)
"""


@dataclass(frozen=True)
class Run:
    """One finished process: seconds of wall and CPU (its children's included), peak bytes of the largest."""

    wall: float
    cpu: float
    peak: int


def measured(command: list[str]) -> Run:
    """Run a command with its output thrown away."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"bench: {' '.join(command)} ended with status {process.returncode}")
    return Run(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def environment() -> dict[str, str]:
    """Ours, with a pager that doesn't wait."""
    return {**os.environ, "PAGER": "cat"}


def table(title: str, commands: dict[str, list[str]], rounds: int) -> dict[str, dict[str, float]]:
    """Print medians of interleaved runs, each as a ratio to the first row's."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(measured(command))
    print(f"\n{title}\n{'':36} {'wall':>7} {'ratio':>6}  {'CPU':>7} {'ratio':>6}  {'peak':>8}")
    rows: dict[str, dict[str, float]] = {}
    for name, done in runs.items():
        row = {key: statistics.median(getattr(run, key) for run in done) for key in ("wall", "cpu", "peak")}
        rows[name] = row
        first = next(iter(rows.values()))
        print(
            f"{name:36} {row['wall']:6.2f}s {row['wall'] / first['wall']:6.2f}  "
            f"{row['cpu']:6.2f}s {row['cpu'] / first['cpu']:6.2f}  {row['peak'] / 2**20:5.0f} MB",
            flush=True,
        )
    return rows


def start(options: argparse.Namespace, folder: Path) -> object:
    """One ping."""
    ping = ["ping", "-c1", "127.0.0.1"]
    record = ["perf", "record", "-q", "-o", str(folder / "ping.data"), *EVENTS]
    return table(
        "one ping to this host",
        {
            "perf record, ping": [*record, "--", *ping],
            "perf record --no-bpf-event, ping": [*record, "--no-bpf-event", "--", *ping],
            "perfpath ping": [PERFPATH, "--format", "plain", *ping],
            "perfpath --packets none ping": [PERFPATH, "--format", "plain", "--packets", "none", *ping],
            "perfpath -a ping": [PERFPATH, "--format", "plain", "-a", *ping],
            "perfpath --backend trace ping": [PERFPATH, "--format", "plain", "--backend", "trace", *ping],
            "perfpath --version": [PERFPATH, "--version"],
        },
        options.rounds,
    )


def million(folder: Path, repeat: int = 1) -> Path:
    """A plain recording of a million events: the corpus's, or a flood in a lab of our own."""
    target = folder / f"million-{repeat}.data"
    if target.exists():
        return target
    if CORPUS.exists():
        plain(CORPUS, target, repeat)
    elif repeat == 1:
        with Lab() as lab:
            command = flood(lab, packets=250_000, seconds=120)
            perf = ["perf", "record", "-q", "-a", "--namespaces", "-m", "16M", "-o", str(target), *EVENTS, "--"]
            subprocess.run([*perf, *command], check=True, stdout=subprocess.DEVNULL)
    else:
        raise SystemExit("bench: the larger recordings are made from the corpus, which isn't beside this checkout")
    return target


def flood(lab: Lab, *, packets: int, seconds: float) -> list[str]:
    """A command that floods one namespace from another over a bridge: four events a packet."""
    left, middle, right, net = lab.namespace("a"), lab.namespace("b"), lab.namespace("c"), lab.subnet()
    for number, netns in ((1, left), (2, right)):
        lab.veth(middle, f"port{number}", netns, "eth0")
        lab.address(netns, "eth0", f"{net[number]}/24")
    lab.bridge(middle, "br0", "port1", "port2")
    lab.run(left, "ping", "-c1", "-W2", str(net[2]))
    return lab.command(left, sys.executable, "-c", FLOOD, str(net[2]), str(seconds), str(packets))


def offline(options: argparse.Namespace, folder: Path) -> object:
    """A million events, whole commands."""
    recording = str(million(folder))
    report = [PERFPATH, "report", recording, "--format"]
    return table(
        f"a million events ({Path(recording).stat().st_size / 1e6:.0f} MB), whole commands, output to nowhere",
        {"perf script": ["perf", "script", "-f", "-i", recording]}
        | {f"perfpath report --format {name}": [*report, name] for name in ("summary", "jsonl", "plain", "csv")},
        options.rounds,
    )


def scale(options: argparse.Namespace, folder: Path) -> object:
    """Ten times the events; with --large twenty million in bounded memory."""
    rows = table(
        "ten times the events",
        {
            "a million": [PERFPATH, "report", str(million(folder)), "--format", "summary"],
            "ten million": [PERFPATH, "report", str(million(folder, 10)), "--format", "summary"],
        },
        min(options.rounds, 3),
    )
    if options.large:
        command = [PERFPATH, "report", str(million(folder, 20)), "--memory", "512M", "--format", "summary"]
        rows |= table("20 million events, --memory 512M", {"streamed": command}, 1)
    return rows


def depths(folder: Path) -> dict[str, list[str]]:
    """Recordings that hold more than the plain one; without packet sockets, so that only perf's part is compared."""
    plain_one = [*recording(folder), "--packets", "none"]
    return {BYTES["none"]: plain_one} | {
        f"  the same with {option}": [*plain_one, option] for option in ("--complete", "--decisions", "--why")
    }


def recording(folder: Path) -> list[str]:
    """A command that records the whole system."""
    return [PERFPATH, "record", "-a", "-o", str(folder / "capture")]


def tprobes(folder: Path) -> dict[str, list[str]]:
    """Recording with dynamic events, where this kernel has them."""
    command = [*recording(folder), "--packets", "tprobe"]
    done = subprocess.run([*command, "true"], check=False, capture_output=True)
    return {} if done.returncode else {BYTES["tprobe"]: command}


def dumped(netns: str, folder: Path) -> dict[str, list[str]]:
    """A run of tcpdump in the namespace that sends, where there is a tcpdump."""
    if not shutil.which("tcpdump"):
        return {}
    script = (
        'coproc ip netns exec "$0" tcpdump -q -s128 -i any -w "$1" 2>&1; pid=$!; read -r _ <&"${COPROC[0]}"; '
        'shift; "$@"; kill "$pid"'
    )
    return {"tcpdump -i any, one namespace": ["bash", "-c", script, netns, str(folder / "flood.pcap")]}


def with_command(prefix: list[str], command: list[str], folder: Path) -> list[str]:
    """A tracer's command line with the command it is to trace; bpftrace wants that as words without quotes."""
    if prefix[-1:] != [STRUNG]:
        return [*prefix, *command]
    program = folder / "flood.py"
    program.write_text(FLOOD)
    at = command.index("-c")
    words = [str(shutil.which(command[0])), *command[1:at], str(program), *command[at + 2 :]]
    return [*prefix[:-1], " ".join(words)]


def traffic(options: argparse.Namespace, folder: Path, only: tuple[str, ...] = ()) -> object:
    """Packets a second that a flood gets through, as ratios to no tracing. only: these ways, () for all."""
    with Lab() as lab:
        command = flood(lab, packets=10**9, seconds=2)
        ways = {
            "untraced": [],
            "perf record -a": ["perf", "record", "-q", "-a", "-o", str(folder / "flood.data"), *EVENTS, "--"],
            BYTES["socket"]: [*recording(folder), "--packets", "socket"],
            **tprobes(folder),
            **depths(folder),
            "perfpath -a --format jsonl": [PERFPATH, "-a", "--format", "jsonl", "-o", str(folder / "flood.jsonl")],
            "perfpath --format jsonl": [PERFPATH, "--format", "jsonl", "-o", str(folder / "flows.jsonl")],
            "perf trace -a": [
                "perf",
                "trace",
                "-a",
                "--no-syscalls",
                "-o",
                str(folder / "flood.txt"),
                "--event",
                ",".join(FOUR),
                "--",
            ],
        }
        ways |= dumped(command[3], folder)
        if bpftrace := shutil.which("bpftrace"):
            fields = 'printf("%s %p %d\\n", str(args->name), args->skbaddr, args->len)'
            program = " ".join(f"tracepoint:{event} {{ {fields} }}" for event in FOUR)
            ways["bpftrace printf"] = [bpftrace, "-o", str(folder / "flood.bpf"), "-e", program, "-c", STRUNG]
        ways = {name: prefix for name, prefix in ways.items() if not only or name in only}
        rates: dict[str, list[int]] = {name: [] for name in ways}
        for _ in range(min(options.rounds, 3)):
            for name, prefix in ways.items():
                subprocess.run(["rm", "-rf", str(folder / "capture")], check=True)
                done = subprocess.run(with_command(prefix, command, folder), check=True, capture_output=True, text=True)
                rates[name].append(int(done.stdout.split()[-1]))
    medians = {name: statistics.median(rate) for name, rate in rates.items()}
    print(f"\na flood of UDP packets over a bridge, sent in 2 s\n{'':36} {'packets':>9} {'ratio':>6}")
    for name, packets in medians.items():
        print(f"{name:36} {packets:9,.0f} {packets / medians['untraced']:6.2f}", flush=True)
    return medians


def machine(options: argparse.Namespace, _: Path) -> object:
    """The part `cost` on Debian's 6.12, which is emulated where there is no KVM: only its ratios mean something."""
    tests = f"{sys.executable} scripts/bench.py --rounds {min(options.rounds, 2)} cost"
    subprocess.run([HERE / "vm-test"], check=True, env=environment() | {"VM_KERNELS": "6.12", "VM_TESTS": tests})
    return None


def other(script: str, folder: Path, *, recorded: bool) -> None:
    """What another script prints."""
    print(f"\n{script}", flush=True)
    arguments = [str(million(folder))] if recorded else []
    subprocess.run([sys.executable, str(HERE / script), *arguments], check=True, env=environment())


PARTS: dict[str, Callable[[argparse.Namespace, Path], object]] = {
    "start": start,
    "offline": offline,
    "scale": scale,
    "traffic": traffic,
    "cost": lambda options, folder: traffic(options, folder, COST),
    "machine": machine,
    "read": lambda _, folder: other("bench_read.py", folder, recorded=True),
    "text": lambda _, folder: other("bench_text.py", folder, recorded=True),
    "packets": lambda _, folder: other("bench_packets.py", folder, recorded=False),
}


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = f"of {', '.join(PARTS)}; default: all but {', '.join(NAMED)}"
    parser.add_argument("parts", nargs="*", metavar="PART", help=known)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, interleaved (default 5)")
    parser.add_argument("--large", action="store_true", help="scale: also 20 million events")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    results = {}
    with tempfile.TemporaryDirectory(prefix="perfpath-bench-") as folder:
        for part in options.parts or [part for part in PARTS if part not in NAMED]:
            results[part] = PARTS[part](options, Path(folder))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
