"""What namespaces are called, with files as container runtimes and the kernel write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from perfpath.diagnostics import Diagnostics
from perfpath.netns.containers import Runtimes, container_of
from perfpath.netns.find import Found, Places
from perfpath.netns.names import Names

if TYPE_CHECKING:
    from pathlib import Path

ID, OTHER = "0123456789abcdef" * 4, "fedcba9876543210" * 4
# As podman 4.3.1 (CNI, runc, cgroup v1) writes them for `podman run --rm --name db.main`, the id replaced.
REAL_PODMAN = f"9:name=systemd:/libpod_parent/libpod-{OTHER}\n4:memory:/libpod_parent/libpod-{OTHER}\n"
STORED = [
    {
        "id": OTHER,
        "names": ["db.main"],
        "image": ID,
        "layer": ID,
        "metadata": f'{{"image-name":"localhost/busy:1","image-id":"{ID}","name":"db.main","created-at":1795850899}}',
        "created": "2026-11-28T07:28:19.311772022Z",
        "flags": {"MountLabel": "", "ProcessLabel": "", "Volatile": True},
    }
]
POD = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8c1f_x.slice"


@pytest.mark.parametrize(
    ("cgroup", "wanted"),
    [
        (f"0::/system.slice/docker-{ID}.scope\n", ("docker", ID)),
        (f"12:pids:/docker/{ID}\n11:cpu:/docker/{ID}\n", ("docker", ID)),
        (f"0::/docker/{ID}/init\n", ("docker", ID)),
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", ("podman", ID)),
        (f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope\n", ("podman", ID)),
        (f"0::{POD}/cri-containerd-{ID}.scope\n", ("kubernetes", ID)),
        (f"0::{POD}/crio-{ID}.scope\n", ("kubernetes", ID)),
        (f"4:memory:/kubepods/besteffort/pod8c1f/{ID}\n", ("kubernetes", ID)),
        (f"0::/system.slice/nerdctl-{ID}.scope\n", ("containerd", ID)),
        (f"0::/default/{ID}\n", ("containerd", ID)),
        ("0::/lxc.payload.web/init.scope\n", ("lxc", "web")),
        ("4:memory:/lxc/web\n", ("lxc", "web")),
        ("0::/init.scope\n", None),
        ("0::/user.slice/user-0.slice/session-1.scope\n", None),
        (f"0::/machine.slice/libpod-conmon-{ID}.scope\n", None),
        ("", None),
    ],
)
def test_a_cgroup_names_its_container(cgroup: str, wanted: tuple[str, str] | None) -> None:
    assert container_of(cgroup) == wanted


class Host:
    """A file tree like a host's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.diagnostics = Diagnostics()
        self.places = Places(proc=str(root / "proc"))
        self.runtimes = Runtimes(*(str(root / name) for name in ("docker", "daemon.json", "cd", "storage", "run")))

    def process(self, pid: int, comm: str, cgroup: str = "0::/\n") -> None:
        self.file(f"proc/{pid}/comm", comm + "\n")
        self.file(f"proc/{pid}/cgroup", cgroup)

    def file(self, path: str, content: Any) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        place.write_bytes(text.encode(errors="surrogateescape"))

    def name(self, ask: bool = False, **found: Any) -> tuple[str, str]:
        names = Names(self.places, self.runtimes, 7, self.diagnostics, ask=ask)
        return names.of(Found(4, found.pop("inum", 8), "", **found))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_host_is_the_host_whatever_else_it_is_called(host: Host) -> None:
    host.process(1, "systemd")
    assert host.name(inum=7, iproute=["main"], docker=["default"], pids=[1]) == ("host", "host")


def test_a_name_that_people_gave_comes_first(host: Host) -> None:
    host.process(9, "nginx", f"0::/docker/{ID}\n")
    host.file(f"docker/containers/{ID}/config.v2.json", {"Name": "/web"})
    assert host.name(iproute=["mine", "other"], pids=[9]) == ("mine", "ip netns")
    assert host.name(pids=[9]) == ("web", "docker")
    machine = ["cni-5ab3e0c1-1111-2222-3333-0123456789ab"]
    assert host.name(iproute=machine, pids=[9]) == ("web", "docker")
    assert host.name(iproute=machine) == (machine[0], "mount")
    host.process(12, "pause")
    assert host.name(iproute=machine, pids=[12]) == ("pause[12]", "process")


def test_docker_keeps_its_state_where_its_settings_say(host: Host) -> None:
    host.process(9, "nginx", f"0::/docker/{ID}\n")
    host.file("daemon.json", {"data-root": str(host.root / "elsewhere")})
    host.file(f"elsewhere/containers/{ID}/config.v2.json", {"Name": "/db"})
    assert host.name(pids=[9]) == ("db", "docker")


def test_pods_of_all_runtimes(host: Host) -> None:
    kubelet = {"io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.name": "web-0"}
    host.process(9, "pause", f"0::{POD}/cri-containerd-{ID}.scope\n")
    annotations = {"io.kubernetes.cri.sandbox-namespace": "shop", "io.kubernetes.cri.sandbox-name": "web-0"}
    host.file(f"cd/k8s.io/{ID}/config.json", {"annotations": annotations})
    host.process(10, "pause", f"0::{POD}/crio-{OTHER}.scope\n")
    host.file(f"run/{OTHER}/userdata/config.json", {"annotations": kubelet})
    host.process(11, "pause", f"4:memory:/kubepods/pod1/{OTHER[::-1]}\n")
    host.file(f"docker/containers/{OTHER[::-1]}/config.v2.json", {"Name": "/k8s_POD", "Config": {"Labels": kubelet}})
    for pid in (9, 10, 11):
        assert host.name(pids=[pid]) == ("shop/web-0", "kubernetes")


def test_podman_and_nerdctl(host: Host) -> None:
    host.process(9, "nginx", f"0::/machine.slice/libpod-{ID}.scope\n")
    host.file("storage/containers.json", [{"id": OTHER, "names": ["db"]}, {"id": ID, "names": ["web", "x"]}, 5, {}])
    assert host.name(pids=[9]) == ("web", "podman")
    host.process(11, "sleep", REAL_PODMAN)
    host.file("run/volatile-containers.json", STORED)
    assert host.name(pids=[11]) == ("db.main", "podman")
    host.process(10, "nginx", f"0::/system.slice/nerdctl-{OTHER[::-1]}.scope\n")
    host.file(f"cd/default/{OTHER[::-1]}/config.json", {"annotations": {"nerdctl/name": "api"}})
    assert host.name(pids=[10]) == ("api", "containerd")


def test_containerd_where_anybody_chose_the_id(host: Host) -> None:
    """As containerd 1.6 has it for `ctr run IMAGE web1`; the same cgroup without such a task is no container."""
    for pid, task in ((9, "web1"), (10, "web2")):
        host.process(pid, "sleep", f"4:memory:/default/{task}\n3:cpuset:/default/{task}\n0::/default/{task}\n")
    host.file("cd/default/web1/config.json", {"ociVersion": "1.0.2-dev"})
    assert host.name(pids=[9]) == ("web1", "containerd")
    assert host.name(pids=[10]) == ("sleep[10]", "process")


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"Name": 5}', '{"Name": ""}', "[" * 100_000, "\udcff"])
def test_broken_state_leaves_the_short_id(host: Host, broken: str) -> None:
    host.process(9, "nginx", f"0::/docker/{ID}\n")
    host.file(f"docker/containers/{ID}/config.v2.json", broken)
    assert host.name(pids=[9]) == (ID[:12], "docker")
    assert ("container-state" in host.diagnostics.notes) == (broken in {"", "{", "[" * 100_000, "\udcff"})


def test_a_runtime_is_asked_once_and_only_if_allowed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = host.root / "bin" / "podman"
    host.file("bin/podman", f"#!/bin/sh\necho x >> {host.root}/asked\necho {ID} from the tool\necho nonsense\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    host.process(9, "nginx", f"0::/libpod-{ID}\n")
    assert host.name(pids=[9]) == (ID[:12], "podman")
    assert not (host.root / "asked").exists()
    assert host.name(ask=True, pids=[9]) == ("from the tool", "podman")
    names = Names(host.places, host.runtimes, 7, host.diagnostics, ask=True)
    for _ in range(3):
        names.of(Found(4, 8, "", pids=[9]))
    assert (host.root / "asked").read_text() == "x\nx\n"


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\nexec /bin/sleep 60\n", "#!/nowhere\n", "\udcff"])
def test_a_runtime_that_fails_or_hangs_is_noted(host: Host, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr("perfpath.netns.containers.PATIENCE", 0.2)
    host.file("bin/docker", script)
    (host.root / "bin" / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(host.root / "bin"))  # no real one, which would be tried next
    host.process(9, "nginx", f"0::/docker/{ID}\n")
    assert host.name(ask=True, pids=[9]) == (ID[:12], "docker")
    if script != "#!/nowhere\n":  # that is as if it were not installed
        assert "container-runtime" in host.diagnostics.notes


def test_where_there_is_no_container_the_oldest_process_gives_the_name(host: Host) -> None:
    host.process(9, "nginx: \udcffx")
    host.process(12, "worker")
    assert host.name(pids=[9, 12]) == ("nginx: \udcffx[9]", "process")
    assert host.name(pids=[77]) == ("pid[77]", "process")


def test_a_side_car_that_joined_later_gives_no_name_though_its_number_is_lower(host: Host) -> None:
    """Numbers of processes begin anew: as found with dockerd 20.10, `--network container:web`."""
    fields = "S 1 {pid} {pid} 0 -1 4194560 {zeros} 20 0 1 0 {started} 1605632 1"
    for pid, identity, name, started in ((32766, ID, "web", 2187364), (443, OTHER, "sidecar", 2191480)):
        host.process(pid, "sle ep)", f"0::/docker/{identity}\n")
        numbers = fields.format(pid=pid, zeros="0 " * 7 + "0", started=started)
        host.file(f"proc/{pid}/stat", f"{pid} (sle ep)) {numbers}")
        host.file(f"docker/containers/{identity}/config.v2.json", {"Name": f"/{name}"})
    assert host.name(pids=[443, 32766]) == ("web", "docker")
    assert host.name(pids=[2, 443]) == ("sidecar", "docker")  # the other is gone by now
    assert host.name(pids=[443, *range(1000, 1100), 32766]) == ("web", "docker")


def test_where_nobody_lives_what_holds_it_gives_the_name(host: Host) -> None:
    host.process(9, "nginx")
    assert host.name(docker=["1-abcdef"]) == ("1-abcdef", "docker")
    assert host.name(mounts=["/run/user/1/netns/x y"]) == ("x y", "mount")
    assert host.name(holders=[9]) == ("held by nginx[9]", "none")
    assert host.name() == ("net:[8]", "none")
