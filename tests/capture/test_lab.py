"""The lab stands, works, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from perfpath.capture.lab import Lab

pytestmark = pytest.mark.netns


def here() -> str:
    netns = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return netns + links


def build(lab: Lab) -> tuple[str, str]:
    web = lab.namespace("web")
    net = lab.subnet()
    port = f"{lab.prefix}w"
    lab.veth("", port, web, "eth0")
    lab.bridge("", f"{lab.prefix}b", port)
    lab.address("", f"{lab.prefix}b", f"{net[1]}/24")
    lab.address(web, "eth0", f"{net[2]}/24")
    return web, str(net[2])


def test_a_bridge_lab_answers_pings_and_is_gone_afterwards() -> None:
    with Lab() as lab:
        web, address = build(lab)
        assert web in here()
        assert lab.run("", "ping", "-c1", "-W2", address).returncode == 0
    assert lab.prefix not in here()


def test_two_subnets_of_a_lab_differ(lab: Lab) -> None:
    assert lab.subnet() != lab.subnet()


def test_sigkill_of_the_builder_leaves_nothing() -> None:
    code = (
        "from perfpath.capture.lab import Lab\nimport time\n"
        "with Lab() as lab:\n"
        "    web = lab.namespace('web'); lab.veth('', lab.prefix + 'w', web, 'eth0')\n"
        "    print(lab.prefix, flush=True); time.sleep(60)\n"
    )
    builder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert builder.stdout
    prefix = builder.stdout.readline().strip()
    assert prefix in here()
    os.kill(builder.pid, signal.SIGKILL)
    builder.wait()
    builder.stdout.close()
    deadline = time.monotonic() + 10
    while prefix in here():
        assert time.monotonic() < deadline, "the lab outlived its builder"
