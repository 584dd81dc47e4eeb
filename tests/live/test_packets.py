"""`perfpath --packets socket` on real labs: whose packets they were, and where."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.capture.lab import Lab

pytestmark = [pytest.mark.perf, pytest.mark.netns]
PERFPATH = str(Path(sys.executable).with_name("perfpath"))


def perfpath(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PERFPATH, *args], capture_output=True, text=True, check=False, timeout=60)


def journeys(tmp_path: Path, *args: str) -> list[dict[str, Any]]:
    out = tmp_path / "out.jsonl"
    done = perfpath("--packets", "socket", "--format", "jsonl", "-o", str(out), *args)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in out.read_text().splitlines()]


def bridge(lab: Lab) -> tuple[str, str, str]:
    """(namespace, its address, the bridge's name): a bridge on the host, a namespace behind it."""
    web, net, port, dev = lab.namespace("web"), lab.subnet(), f"{lab.prefix}w", f"{lab.prefix}b"
    lab.veth("", port, web, "eth0")
    lab.bridge("", dev, port)
    lab.address("", dev, f"{net[1]}/24")
    lab.address(web, "eth0", f"{net[2]}/24")
    lab.run("", "ping", "-c1", "-W2", str(net[2]))
    return web, str(net[2]), dev


def inum(lab: Lab, netns: str) -> int:
    return int(lab.run(netns, "stat", "-Lc", "%i", "/proc/self/ns/net").stdout)


def bridge6(lab: Lab) -> tuple[str, str, str]:
    """The same, with an IPv6 address."""
    web, _, dev = bridge(lab)
    net = f"fd{lab.prefix[2:4]}:{lab.prefix[4:8]}:"
    for netns, name, address in (("", dev, f"{net}:1"), (web, "eth0", f"{net}:2")):
        lab.run(netns, "tee", f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", stdin="0")
        lab.ip("address", "add", f"{address}/64", "dev", name, "nodad", netns=netns)
    lab.run("", "ping", "-c1", "-W9", f"{net}:2")
    return web, str(ip_address(f"{net}:2")), dev


@pytest.mark.parametrize(("made", "separator"), [(bridge, "."), (bridge6, ":")])
def test_plain_lines_are_the_articles(lab: Lab, made: Callable[[Lab], tuple[str, str, str]], separator: str) -> None:
    web, address, dev = made(lab)
    done = perfpath("--packets", "socket", "--format", "plain", "-o", "-", "ping", "-q", "-c2", "-i0.01", address)
    port, source = f"{lab.prefix}w", f"{address.rsplit(separator, 1)[0]}{separator}1"
    host, inside = inum(lab, ""), inum(lab, web)
    expected = []
    number = re.search(r"#(\d+)\.001", done.stdout)
    assert number, done.stdout
    for seq in ("001", "002"):
        out, back = f"{source} -> {address}", f"{address} -> {source}"
        for where, name, role, ends in (
            *((host, dev, "request", out), (host, port, "request", out), (inside, "eth0", "request", out)),
            *((inside, "eth0", "  reply", back), (host, port, "  reply", back), (host, dev, "  reply", back)),
        ):
            expected.append(f"[{where:12}] {name:>16} {role} #{number[1]}.{seq} {ends}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("[") and "#" in line]  # ARP may be about, too
    assert sorted(lines) == sorted(expected), done.stdout
    for packet in {line.split("] ")[1].split(None, 1)[1] for line in expected}:
        assert [line for line in lines if line.endswith(packet)] == [line for line in expected if line.endswith(packet)]


def test_ping6() -> None:
    done = perfpath("--packets", "socket", "--format", "plain", "-o", "-", "ping", "-6", "-q", "-c1", "::1")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    shown = [re.sub(r"#\d+", "#N", line).split("]")[1].split(None, 2) for line in lines]
    assert shown == [["lo", "request", "#N.001 ::1 -> ::1"]] * 2 + [["lo", "reply", "#N.001 ::1 -> ::1"]] * 2


def test_many_namespaces_with_one_device_name_located_by_sockets(lab: Lab, tmp_path: Path) -> None:
    web, address, dev = bridge(lab)
    for label in ("x1", "x2", "x3"):
        other, port = lab.namespace(label), f"{lab.prefix}{label}"
        lab.veth("", port, other, "eth0")
        lab.ip("link", "set", "dev", port, "master", dev)
    found = journeys(tmp_path, *lab.command("", "ping", "-q", "-c20", "-i0.002", address))
    mine = [each for each in found if (each["packet"] or {}).get("l4") == "icmp" and address in each["packet"].values()]
    assert len([journey for journey in mine if journey["role"] == "request"]) == 20
    hops = [hop for journey in mine for hop in journey["hops"]]
    places = {(dev, inum(lab, "")), (f"{lab.prefix}w", inum(lab, "")), ("eth0", inum(lab, web))}
    assert {(hop["dev"], hop["netns"]["inum"]) for hop in hops if hop["evidence"] == "socket"} == places
    # where the machine stops between a hop and its sighting, nobody knows that they belong together
    assert {(hop["dev"], hop["netns"]["inum"]) for hop in hops if hop["netns"]} == places
    seqs = [journey["packet"]["icmp_seq"] for journey in mine if journey["role"] == "request"]
    assert seqs == list(range(1, 21))


def test_a_namespace_that_is_made_while_it_is_traced(lab: Lab, tmp_path: Path) -> None:
    """Its packets are seen as soon as its socket is open: at the latest when a second's look has found it."""
    net, name, port = lab.subnet(), f"{lab.prefix}-late", f"{lab.prefix}l"
    lab._promise(f"netns {name}")
    lab._promise(f"link {port}")
    script = tmp_path / "late.sh"
    script.write_text(
        f"ip netns add {name}\nip link add {port} type veth peer name eth0 netns {name}\n"
        f"ip link set {port} up\nip -n {name} link set eth0 up\nip addr add {net[1]}/24 dev {port}\n"
        f"ip -n {name} addr add {net[2]}/24 dev eth0\nexec ping -q -c40 -i0.05 {net[2]}\n"
    )
    found = journeys(tmp_path, "sh", str(script))
    known = [journey for journey in found if (journey["packet"] or {}).get("dst") == str(net[2])]
    late = inum(lab, name)
    last = [hop for journey in known[-5:] for hop in journey["hops"] if hop["dev"] == "eth0"]
    assert len(last) == 5
    assert {hop["netns"]["inum"] for hop in last if hop["netns"]} == {late}
    assert "socket" in {hop["evidence"] for hop in last}


def test_tcp_says_ports_and_flags(lab: Lab, tmp_path: Path) -> None:
    web, address, _ = bridge(lab)
    serve = "import socket\ns = socket.create_server(('', 8080))\nprint('ready', flush=True)\ns.accept()[0].recv(1)"
    server = subprocess.Popen(
        lab.command(web, sys.executable, "-c", serve), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout
    assert server.stdout.readline() == "ready\n"
    connect = f"import socket; socket.create_connection(('{address}', 8080)).send(b'x')"
    found = journeys(tmp_path, sys.executable, "-c", connect)
    assert server.wait(10) == 0
    server.stdout.close()
    first = found[0]["packet"]
    assert (first["dst"], first["dport"], first["l4"]) == (address, 8080, "tcp")
    answer = found[1]["packet"]
    assert (answer["src"], answer["sport"], answer["dport"]) == (address, 8080, first["sport"])


def test_none_means_none(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = perfpath("--packets", "none", "--format", "jsonl", "-o", str(out), "ping", "-q", "-c1", "127.0.0.1")
    assert done.returncode == 0
    assert [json.loads(line)["packet"] for line in out.read_text().splitlines()] == [None, None]


def test_sockets_need_the_record_backend() -> None:
    done = perfpath("--packets", "socket", "--backend", "trace", "true")
    assert done.returncode == 5
    assert "--backend record" in done.stderr


def test_a_recording_tells_the_same_without_root(lab: Lab, tmp_path: Path) -> None:
    web, address, dev = bridge(lab)
    folder = tmp_path / "capture"
    done = perfpath("record", "-o", str(folder), "--packets", "socket", "ping", "-q", "-c7", "-i0.01", address)
    assert done.returncode == 0, done.stderr
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", folder, copy], check=True)
    for args in ([], ["--memory", "1"]):
        shown = perfpath("report", "--format", "jsonl", *args, str(copy))
        found = [json.loads(line) for line in shown.stdout.splitlines()]
        pings = [each for each in found if (each["packet"] or {}).get("l4") == "icmp"]
        assert [each["packet"]["icmp_seq"] for each in pings if each["role"] == "request"] == list(range(1, 8))
        hops = [hop for each in pings for hop in each["hops"]]
        places = {("eth0", inum(lab, web)), (f"{lab.prefix}w", inum(lab, "")), (dev, inum(lab, ""))}
        assert {(hop["dev"], hop["netns"]["inum"]) for hop in hops if hop["evidence"] == "socket"} == places
        assert {(hop["dev"], hop["netns"]["inum"]) for hop in hops if hop["netns"]} == places


def test_what_a_process_answers_later_is_the_reply(lab: Lab, tmp_path: Path) -> None:
    """Nothing but the contents tells: the server is a process that answers when it likes."""
    web, address, _ = bridge(lab)
    serve = (
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('', 9999))\n"
        "print('ready', flush=True)\nfor _ in range(5):\n    data, who = s.recvfrom(99); s.sendto(data + b'!', who)"
    )
    server = subprocess.Popen(lab.command(web, sys.executable, "-c", serve), stdout=subprocess.PIPE, text=True)
    assert server.stdout
    assert server.stdout.readline() == "ready\n"
    ask = (
        f"import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect(('{address}', 9999))\n"
        "for n in range(5): s.send(b'x' * n); s.recv(99)"
    )
    found = {each["journey"]: each for each in journeys(tmp_path, "-a", sys.executable, "-c", ask)}
    assert server.wait(10) == 0
    server.stdout.close()
    asked = [each for each in found.values() if (each["packet"] or {}).get("dport") == 9999]
    assert [each["role"] for each in asked] == ["request"] * 5
    for each in asked:
        answer = found[each["peer"]]
        assert (answer["role"], answer["peer"]) == ("reply", each["journey"])
        assert answer["packet"]["sport"] == 9999
        assert answer["hops"][0]["len"] == each["hops"][0]["len"] + 1


def test_two_pings_at_once_each_get_their_own_answers(lab: Lab, tmp_path: Path) -> None:
    _, address, _ = bridge(lab)
    ping = f"ping -q -c30 -i0.002 {address} >/dev/null"
    found = {each["journey"]: each for each in journeys(tmp_path, "-a", "sh", "-c", f"{ping} & {ping} & wait")}
    echoes = [each for each in found.values() if (each["packet"] or {}).get("icmp_seq")]
    requests = [each for each in echoes if each["packet"]["dst"] == address]
    assert len(requests) == 60
    for each in requests:
        assert each["role"] == "request"
        answer = found[each["peer"]]["packet"]
        assert (answer["icmp_id"], answer["icmp_seq"]) == (each["packet"]["icmp_id"], each["packet"]["icmp_seq"])
        assert answer["src"] == address


def test_tcp_between_two_devices_of_one_name(lab: Lab, tmp_path: Path) -> None:
    """TCP is stamped when it is shown: each packet still has its own bytes, and each hop its place."""
    left, right, net = lab.namespace("left"), lab.namespace("right"), lab.subnet()
    lab.veth(left, "eth0", right, "eth0")
    lab.address(left, "eth0", f"{net[1]}/24")
    lab.address(right, "eth0", f"{net[2]}/24")
    lab.run(left, "ping", "-c1", "-W2", str(net[2]))
    serve = (
        "import socket\ns = socket.create_server(('', 8080)); print('ready', flush=True); c = s.accept()[0]\n"
        "while d := c.recv(100): c.send(d)"
    )
    talk = (
        f"import socket\nc = socket.create_connection(('{net[2]}', 8080))\nfor _ in range(30): c.send(b'x'); c.recv(9)"
    )
    server = subprocess.Popen(lab.command(right, sys.executable, "-c", serve), stdout=subprocess.PIPE, text=True)
    assert server.stdout
    assert server.stdout.readline() == "ready\n"
    found = journeys(tmp_path, "-a", *lab.command(left, sys.executable, "-c", talk))
    assert server.wait(10) == 0
    server.stdout.close()
    mine = [
        each for each in found if each["packet"] and 8080 in (each["packet"].get("sport"), each["packet"].get("dport"))
    ]
    assert len(mine) >= 60
    ends = {str(net[1]): inum(lab, left), str(net[2]): inum(lab, right)}
    for each in mine:
        way = [hop["netns"]["inum"] for hop in each["hops"]]
        assert way == [ends[each["packet"]["src"]], ends[each["packet"]["dst"]]]
    evidence = [hop["evidence"] for each in mine for hop in each["hops"]]
    assert evidence.count("socket") > 0.9 * len(evidence)


def test_what_a_tunnel_carries_is_the_packet_and_the_tunnel_is_around_it(lab: Lab, tmp_path: Path) -> None:
    left, right, net, inside = lab.namespace("left"), lab.namespace("right"), lab.subnet(), lab.subnet()
    lab.veth(left, "eth0", right, "eth0")
    ends = {left: (str(net[1]), str(net[2])), right: (str(net[2]), str(net[1]))}
    for number, (netns, (here, there)) in enumerate(ends.items(), 1):
        lab.address(netns, "eth0", f"{here}/24")
        kind = f"type vxlan id 42 local {here} remote {there} dstport 4789 dev eth0"
        lab.ip("link", "add", "vx0", *kind.split(), netns=netns)
        lab.address(netns, "vx0", f"{inside[number]}/24")
        lab.up(netns, "vx0")
    lab.run(left, "ping", "-c1", "-W9", str(inside[2]))
    capture = tmp_path / "capture"
    ping = lab.command(left, "ping", "-q", "-c5", "-i0.1", str(inside[2]))
    found = journeys(tmp_path, "--save", str(capture), *ping)
    ours = [each for each in found if (each["packet"] or {}).get("dst") == str(inside[2]) and len(each["hops"]) == 4]
    around = [[hop.get("outer") for hop in each["hops"]] for each in ours]
    for told in around:  # others' floods may have taken the room for some
        assert (told[0], told[3]) == (None, None), "wrong: nothing is around it there"
        for (wrapped,) in filter(None, told[1:3]):
            assert wrapped.pop("sport") > 0
            assert wrapped == {"kind": "vxlan", "id": 42, "src": str(net[1]), "dst": str(net[2]), "dport": 4789}
    assert [told for told in around if told[1] and told[2]]
    for expression, some in (
        ("vxlan 42 and icmp", True),
        (f"host {net[1]} and host {net[2]}", True),
        ("vxlan 7", False),
    ):
        done = perfpath("report", "--format", "jsonl", "--match", expression, str(capture))
        assert bool(done.stdout) == some, (expression, done.stderr)
