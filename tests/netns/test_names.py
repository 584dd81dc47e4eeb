"""What namespaces are called, with files as container runtimes and the kernel write them."""

from __future__ import annotations

import json
import os
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
        (f"0::/system.slice/web.service/libpod-payload-{ID}\n", ("podman", ID)),
        (f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope\n", ("podman", ID)),
        (f"0::{POD}/cri-containerd-{ID}.scope\n", ("kubernetes", ID)),
        (f"0::{POD}/crio-{ID}.scope\n", ("kubernetes", ID)),
        (f"4:memory:/kubepods/besteffort/pod8c1f/{ID}\n", ("kubernetes", ID)),
        (f"0::/system.slice/nerdctl-{ID}.scope\n", ("containerd", ID)),
        (f"0::/default/{ID}\n", ("containerd", ID)),
        (f"4:memory:/docker/{OTHER}/kubelet.slice/kubelet-kubepods.slice/pod8c1f/{ID}\n", ("kubernetes", ID)),
        (f"0::/docker/{OTHER}{POD}/cri-containerd-{ID}.scope\n1:cpu:/docker/{OTHER}\n", ("kubernetes", ID)),
        (f"0::/docker/{OTHER}/docker/{ID}\n", ("docker", ID)),
        ("0::/lxc.payload.web/init.scope\n", ("lxc", "web")),
        (f"0::/lxc.payload.web/docker/{ID}\n", ("docker", ID)),
        ("4:memory:/lxc/web\n", ("lxc", "web")),
        ("0::/machine.slice/machine-one\\x2dtwo.scope/payload/init.scope\n", ("nspawn", "one\\x2dtwo")),
        ("0::/machine.slice/systemd-nspawn@web.service/payload\n", ("nspawn", "web")),
        (f"0::/machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-{ID}.scope\n", ("podman", ID)),
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

    def process(self, pid: int, comm: str, cgroup: str = "0::/\n", parent: int = 0) -> None:
        self.file(f"proc/{pid}/comm", comm + "\n")
        self.file(f"proc/{pid}/cgroup", cgroup)
        if parent:
            self.file(f"proc/{pid}/stat", f"{pid} ({comm}) S {parent} {pid} {pid} 0 -1 4194560")

    def keeper(self, pid: int, *words: str, cwd: str = "", cgroup: str = "0::/\n") -> None:
        """A process with this command line. cwd: its working directory, in `other`, the root of its mount namespace."""
        self.process(pid, words[0].rpartition("/")[2][:15], cgroup)
        self.file(f"proc/{pid}/cmdline", "\0".join(words) + "\0")
        (self.root / "proc" / str(pid) / "root").symlink_to(self.root / "other")
        (self.root / "proc" / str(pid) / "cwd").symlink_to(f"{self.root}/other{cwd}")

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
    assert host.name(iproute=["9abac4ae-94a6-4853-b299-e4c1c2c508c0"], pids=[9]) == ("web", "docker")  # CRI-O's
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


SHIM = ("/usr/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", ID, "-address", "/run/k3s/containerd.sock")
BUNDLES = "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io"
# As containerd 1.6.20 writes them for a pod's sandbox, unused ones left out.
SANDBOX = {
    "io.kubernetes.cri.container-type": "sandbox",
    "io.kubernetes.cri.sandbox-id": ID,
    "io.kubernetes.cri.sandbox-name": "web-0",
    "io.kubernetes.cri.sandbox-namespace": "shop",
}


def test_a_shim_tells_of_pods_whose_state_is_elsewhere_or_in_a_container(host: Host) -> None:
    """As found with containerd 1.6.20, its state in /run/k3s, and again in a mount namespace of its own, as in kind."""
    host.keeper(5, *SHIM, cwd=f"{BUNDLES}/{ID}")
    host.process(9, "pause", f"4:memory:/docker/{OTHER}/kubelet/kubepods/burstable/pod8c1f/{ID}\n", parent=5)
    assert host.name(pids=[9]) == (ID[:12], "kubernetes")
    host.file(f"other{BUNDLES}/{ID}/config.json", {"annotations": SANDBOX})
    host.file(f"docker/containers/{OTHER}/config.v2.json", {"Name": "/kind-worker"})
    assert host.name(pids=[9]) == ("shop/web-0", "kubernetes")


def test_a_shim_tells_of_docker_whose_state_is_elsewhere(host: Host) -> None:
    """As found with dockerd 20.10 --data-root, whose containers' /etc/hostname is beside their state."""
    bundles = "/x/dk-exec/containerd/daemon/io.containerd.runtime.v2.task/moby"
    host.keeper(5, SHIM[0], "-namespace", "moby", cwd=f"{bundles}/{ID}")
    host.process(9, "httpd", f"4:memory:/docker/{ID}\n", parent=5)
    home = f"/x/dk-data/containers/{ID}"
    mounts = [{"source": "proc"}, 5, {"destination": "/etc/hostname", "source": f"{home}/hostname"}]
    host.file(f"other{bundles}/{ID}/config.json", {"mounts": mounts})
    assert host.name(pids=[9]) == (ID[:12], "docker")
    host.file(f"other{home}/config.v2.json", {"Name": "/shop-web-1"})
    assert host.name(pids=[9]) == ("shop-web-1", "docker")


def test_a_shim_tells_of_a_task_whose_id_somebody_chose(host: Host) -> None:
    host.keeper(5, SHIM[0], "-namespace", "default", cwd="/elsewhere/default/web1")
    host.process(9, "sleep", "0::/default/web1\n", parent=5)
    assert host.name(pids=[9]) == ("sleep[9]", "process")
    host.file("other/elsewhere/default/web1/config.json", {"ociVersion": "1.0.2-dev"})
    assert host.name(pids=[9]) == ("web1", "containerd")


def test_conmon_tells_of_containers_of_other_users_and_of_crio(host: Host) -> None:
    """As podman 4.3.1 runs it for a user without cgroups of their own; CRI-O's arguments are by its documents."""
    bundle = f"/home/u/.local/share/containers/storage/vfs-containers/{ID}/userdata"
    arguments = ["/usr/bin/conmon", "--api-version", "1", "-c", ID, "-r", "/usr/bin/runc", "-b", bundle, "-n", "rl-web"]
    host.keeper(5, *arguments)
    host.process(9, "sleep", "9:name=systemd:/\n4:memory:/user.slice\n", parent=5)
    assert host.name(pids=[9]) == ("rl-web", "podman")
    kubelet = {"io.kubernetes.pod.name": "segfaulter", "io.kubernetes.pod.namespace": "default"}
    host.file(f"other{bundle}/config.json", {"annotations": kubelet})
    assert host.name(pids=[9]) == ("default/segfaulter", "kubernetes")


def test_lxc_and_nspawn(host: Host) -> None:
    """As LXC 5.0.2 (whose cgroup has another name where that is taken) and systemd-nspawn 252 run them."""
    host.keeper(5, "[lxc monitor] /var/lib/lxc lx-x")
    host.process(9, "init", "4:memory:/lxc.payload.lx-x-1\n", parent=5)
    assert host.name(pids=[9]) == ("lx-x", "lxc")
    for pid, words in enumerate((["-q", "-M", "one"], ["-Mone", "-b"], ["--quiet", "--machine=one"]), 20):
        host.keeper(pid, "systemd-nspawn", "-D", "/srv/root", *words)
        host.process(pid + 10, "(sd-stubinit)", "0::/payload\n", parent=pid)
        assert host.name(pids=[pid + 10]) == ("one", "nspawn")
    host.keeper(24, "/usr/bin/systemd-nspawn", "-D", "/srv/root")
    host.process(34, "systemd", parent=24)
    assert host.name(pids=[34]) == ("systemd[34]", "process")
    host.process(35, "systemd", "0::/machine.slice/machine-one\\x2dtwo.scope/payload\n", parent=24)
    assert host.name(pids=[35]) == ("one-two", "nspawn")  # by systemd's documents


def test_a_namespace_that_was_made_in_a_container_is_not_the_containers(host: Host) -> None:
    """As `unshare -n sleep` in a container of dockerd 20.10."""
    cgroup = f"4:memory:/docker/{ID}\n"
    host.process(3, "containerd-shim")
    host.process(9, "sh", cgroup, parent=3)
    host.process(10, "sleep", cgroup, parent=9)
    (host.root / "own").touch()
    (host.root / "proc" / "9" / "ns").mkdir()
    (host.root / "proc" / "9" / "ns" / "net").symlink_to(host.root / "own")
    own = (host.root / "own").stat().st_ino
    host.file(f"docker/containers/{ID}/config.v2.json", {"Name": "/web"})
    assert host.name(pids=[10]) == ("sleep[10] in web", "process")
    assert host.name(pids=[9], inum=own) == ("web", "docker")
    assert host.name(pids=[10], inum=own) == ("web", "docker")


def test_a_fifo_in_place_of_a_state_file_stops_nobody(host: Host) -> None:
    host.keeper(5, *SHIM, cwd="/bundle")
    host.process(9, "pause", f"0::{POD}/cri-containerd-{ID}.scope\n", parent=5)
    (host.root / "other" / "bundle").mkdir(parents=True)
    os.mkfifo(host.root / "other" / "bundle" / "config.json")
    assert host.name(pids=[9]) == (ID[:12], "kubernetes")
    assert "container-state" in host.diagnostics.notes


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
