"""Every packet sent is accounted for, under flood too, with known counts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab

pytestmark = [pytest.mark.perf, pytest.mark.netns]
PERFPATH = str(Path(sys.executable).with_name("perfpath"))
COUNT, EVERY = 4000, 4
READ = (  # 33 is SO_RCVBUFFORCE, which Python has no name for
    "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 7777))\n"
    "s.setsockopt(socket.SOL_SOCKET, 33, 1 << 26); print('ready', flush=True)\n"
    "n = 0\nwhile s.recv(2000) != b'end': n += 1\nprint(n)"
)
SEND = (
    "import socket, sys, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((sys.argv[1], 7777))\n"
    "for n in range(int(sys.argv[2])):\n    s.send(b'x' * 100)\n    if n % 50 == 0: time.sleep(float(sys.argv[3]))\n"
    "s.send(b'end')"
)
BYTES = 200_000
TAKE = (
    "import socket\ns = socket.create_server(('', 7777)); print('ready', flush=True)\nc, n = s.accept()[0], 0\n"
    "while data := c.recv(65536): n += len(data)\nprint(n)"
)
GIVE = f"import socket, sys; s = socket.create_connection((sys.argv[1], 7777)); s.sendall(bytes({BYTES}))"
RULES = (
    "table inet t {\nchain c {\ntype filter hook input priority 0\n"
    f"udp dport 7777 udp length 108 numgen inc mod {EVERY} == 0 counter drop\n}}\n}}\n"
)


def test_sent_is_dropped_and_received(lab: Lab, tmp_path: Path) -> None:
    """What is read leaves no trace where the kernel defers its free (6.18: UDP): then it ends where it was received."""
    left, right, net = lab.namespace("left"), lab.namespace("right"), lab.subnet()
    lab.veth(left, "lan0", right, "wan0")
    lab.address(left, "lan0", f"{net[1]}/24")
    lab.address(right, "wan0", f"{net[2]}/24")
    lab.run(left, "ping", "-c1", "-W2", str(net[2]))
    lab.run(right, "nft", "-f", "-", stdin=RULES)
    for pause in ("0", "0.002", "0.01", "0.05"):  # perf may get no time on a busy machine, and then loses events
        kept = str(tmp_path / f"kept{pause}")
        record = [PERFPATH, "record", "--complete", "--packets", "none", "-a", "-o", kept]
        reading = lab.command(right, sys.executable, "-c", READ)
        with subprocess.Popen(reading, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout
            reader.stdout.readline()
            sender = lab.command(left, sys.executable, "-c", SEND, str(net[2]), str(COUNT), pause)
            subprocess.run([*record, *sender], check=True, capture_output=True, timeout=120)
            assert int(reader.stdout.readline()) == COUNT - COUNT // EVERY
        report = [PERFPATH, "report", "--format", "jsonl", "--strict", kept]
        shown = subprocess.run(report, check=False, capture_output=True, text=True)
        if "lost: 0" in shown.stderr:
            break
    assert shown.returncode == 0, shown.stderr
    found: list[dict[str, Any]] = [json.loads(line) for line in shown.stdout.splitlines()]
    sent = [
        each for each in found if each["hops"] and (each["hops"][0]["dev"], each["hops"][0]["len"]) == ("lan0", 142)
    ]
    assert len(sent) == COUNT
    ends = Counter((each["outcome"] or {}).get("kind") for each in sent)
    assert ends["dropped"] == COUNT // EVERY
    assert set(ends) <= {"dropped", "delivered", None}
    if Path("/sys/kernel/tracing/events/sock/sk_data_ready").is_dir():
        assert ends["delivered"] > COUNT // 2  # all of them, but where the machine stopped on the way to the socket
    outcomes = [each["outcome"] for each in sent if each["outcome"]]
    assert {each["hook"] for each in outcomes if each["kind"] == "dropped"} == {"INPUT"}
    assert {(each["hops"][-1]["dev"], len(each["hops"])) for each in sent} == {("wan0", 2)}


def test_segments_that_gro_merged(lab: Lab, tmp_path: Path) -> None:
    """As many packets were merged as napi_gro_receive_exit says (0: on a list, 1: freed), where GRO is on."""
    left, right, net = lab.namespace("left"), lab.namespace("right"), lab.subnet()
    lab.veth(left, "lan0", right, "wan0")
    lab.address(left, "lan0", f"{net[1]}/24")
    lab.address(right, "wan0", f"{net[2]}/24")
    lab.run(right, "ethtool", "-K", "wan0", "gro", "on")
    lab.run(left, "ethtool", "-K", "lan0", "tso", "off", "gso", "off")
    lab.run(left, "ping", "-c1", "-W2", str(net[2]))
    kept = str(tmp_path / "kept")
    record = [PERFPATH, "record", "--complete", "--packets", "none", "-a", "-o", kept]
    with subprocess.Popen(lab.command(right, sys.executable, "-c", TAKE), stdout=subprocess.PIPE, text=True) as taker:
        assert taker.stdout
        taker.stdout.readline()
        sender = lab.command(left, sys.executable, "-c", GIVE, str(net[2]))
        subprocess.run([*record, *sender], check=True, capture_output=True, timeout=120)
        assert int(taker.stdout.readline()) == BYTES
    told = lab.run("", "perf", "script", "-i", f"{kept}/perf.data", "-F", "event,trace").stdout.splitlines()
    results = [line.partition("ret=")[2].strip() for line in told if "napi_gro_receive_exit" in line]
    shown = lab.run("", PERFPATH, "report", "--format", "jsonl", "--strict", kept).stdout.splitlines()
    found = [json.loads(line) for line in shown]
    dropped = [each["outcome"]["reason"] for each in found if (each["outcome"] or {}).get("kind") == "dropped"]
    assert {
        reason for reason in dropped if not reason.startswith("TCP_OLD")
    } == set()  # on a busy machine it sends again
    put = [each for each in found if (each["outcome"] or {}).get("kind") == "merged"]
    assert len(put) == results.count("0") + results.count("1") > BYTES // 2000 // 2
    assert {(each["hops"][-1]["event"], each["hops"][-1]["dev"]) for each in put} == {
        ("napi_gro_receive_entry", "wan0")
    }
