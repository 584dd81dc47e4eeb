"""Container and pod names, by the container's id in a process's cgroup.

State files of the runtimes are read where they are, only those of the ids in question; a runtime's own command is
asked only where `ask` allows it, since it may take a second.
"""

# Start-up needs no pathlib:
# ruff: noqa: PTH123

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics

STATE_LIMIT = 4 << 20  # bytes; a container's state is some 5 kB
PATIENCE = 1.0  # seconds for a runtime's command
SHORT_ID = 12  # what `docker ps` shows

# The first that fits; <id> is 64 hexadecimal digits. Paths as systemd and cgroupfs drivers make them.
CGROUPS = tuple(
    (runtime, re.compile(pattern.replace("ID", "([0-9a-f]{64})")))
    for runtime, pattern in (
        ("podman", r"/libpod-ID"),
        ("kubernetes", r"/crio-ID"),
        ("kubernetes", r"/kubepods[^\n]*[/-]ID"),
        ("docker", r"(?:/docker/|/docker-)ID"),
        ("containerd", r"(?:/cri-containerd-|/nerdctl-|/)ID"),
        ("lxc", r"/(?:lxc\.payload\.|lxc/)([^/\n]+)"),
    )
)

TASK = re.compile(r":/([^/\n]+)/([^/\n]+)$", re.MULTILINE)  # containerd's namespace and id, which anybody chose

COMMANDS = {  # what a runtime's command prints is lines of `ID NAME`
    "docker": ["docker", "ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"],
    "podman": ["podman", "ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"],
    "containerd": ["nerdctl", "ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"],
}
LABELS = (  # of a pod's namespace and name: kubelet's, then containerd's
    ("io.kubernetes.pod.namespace", "io.kubernetes.pod.name"),
    ("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-name"),
)


@dataclass(frozen=True, slots=True)
class Runtimes:
    """Where container runtimes keep their state; tests put their own there."""

    docker: str = "/var/lib/docker"
    docker_settings: str = "/etc/docker/daemon.json"
    containerd: str = "/run/containerd/io.containerd.runtime.v2.task"
    storage: str = "/var/lib/containers/storage/overlay-containers"  # podman and CRI-O: names
    storage_run: str = "/run/containers/storage/overlay-containers"  # podman and CRI-O: settings of running ones


def container_of(cgroup: str) -> tuple[str, str] | None:
    """(runtime, id) of the container that the text of /proc/PID/cgroup names, None for none."""
    for runtime, pattern in CGROUPS:
        match = pattern.search(cgroup)
        if match:
            return runtime, match[1]
    return None


class Containers:
    """Names by id."""

    def __init__(self, runtimes: Runtimes, diagnostics: Diagnostics, *, ask: bool) -> None:
        self.runtimes = runtimes
        self.diagnostics = diagnostics
        self.ask = ask
        self._stored: dict[str, str] | None = None
        self._answers: dict[str, dict[str, str]] = {}

    def of(self, cgroup: str) -> tuple[str, str] | None:
        """(name, origin) of the container that the text of /proc/PID/cgroup names, None for none."""
        container = container_of(cgroup)
        return self._task(cgroup) if container is None else self.name(*container)

    def _task(self, cgroup: str) -> tuple[str, str] | None:
        """A container whose id is no number, as `ctr run IMAGE web` makes it: where containerd has such a task."""
        for space, identity in dict.fromkeys(TASK.findall(cgroup)):
            if os.access(f"{self.runtimes.containerd}/{space}/{identity}/config.json", os.F_OK):
                return identity, "containerd"
        return None

    def name(self, runtime: str, identity: str) -> tuple[str, str]:
        """(name, origin); the short id where nobody tells the name."""
        if runtime == "lxc":
            return identity, runtime
        for source in (self._docker, self._oci, self._storage):
            found = source(runtime, identity)
            if found is not None:
                return found
        name = self._answer(runtime).get(identity, "") if self.ask else ""
        return name or identity[:SHORT_ID], runtime

    def _docker(self, _runtime: str, identity: str) -> tuple[str, str] | None:
        for root in dict.fromkeys((self.runtimes.docker, self._docker_root())):
            state = self._load(f"{root}/containers/{identity}/config.v2.json")
            pod = _pod(_at(state, "Config", "Labels"))
            if pod:
                return pod, "kubernetes"
            name = _text(state, "Name").removeprefix("/")
            if name:
                return name, "docker"
        return None

    def _docker_root(self) -> str:
        return _text(self._load(self.runtimes.docker_settings), "data-root") or self.runtimes.docker

    def _oci(self, runtime: str, identity: str) -> tuple[str, str] | None:
        """The runtime's config.json (OCI runtime specification): annotations name the pod or nerdctl's container."""
        places = [f"{self.runtimes.storage_run}/{identity}/userdata/config.json"]
        places += [f"{self.runtimes.containerd}/{space}/{identity}/config.json" for space in ("k8s.io", "default")]
        for place in places:
            annotations = _at(self._load(place), "annotations")
            pod = _pod(annotations)
            if pod:
                return pod, "kubernetes"
            name = _text(annotations, "nerdctl/name")
            if name:
                return name, runtime
        return None

    def _storage(self, runtime: str, identity: str) -> tuple[str, str] | None:
        if self._stored is None:
            self._stored = {}
            places = [f"{self.runtimes.storage}/{file}" for file in ("containers.json", "volatile-containers.json")]
            places.append(f"{self.runtimes.storage_run}/volatile-containers.json")  # podman --transient-store
            for place in places:
                listed = self._load(place)
                for each in listed if isinstance(listed, list) else []:
                    names = _at(each, "names")
                    if isinstance(names, list) and names and isinstance(names[0], str):
                        self._stored[_text(each, "id")] = names[0]
        name = self._stored.get(identity)
        return None if name is None else (name, runtime)

    def _load(self, path: str) -> Any:
        """The JSON there, None where there is none; a broken file is noted."""
        try:
            with open(path, "rb") as file:
                return json.loads(file.read(STATE_LIMIT))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError) as error:
            self.diagnostics.note(
                "container-state",
                "state files of container runtimes that can't be read: containers are shown by id or process",
                severity="info",
                example=f"{path}: {error}",
            )
            return None

    def _answer(self, runtime: str) -> dict[str, str]:
        """Names by id as the runtime's own command gives them, asked once."""
        if runtime not in self._answers:
            self._answers[runtime] = self._run(COMMANDS[runtime]) if runtime in COMMANDS else {}
        return self._answers[runtime]

    def _run(self, command: list[str]) -> dict[str, str]:
        import subprocess

        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True, text=True
            )
        except FileNotFoundError:
            return {}
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            self.diagnostics.note(
                "container-runtime",
                "container runtimes that don't answer: containers are shown by id",
                severity="info",
                example=f"{command[0]}: {error}",
            )
            return {}
        return {identity: name for identity, _, name in (line.partition(" ") for line in done.stdout.splitlines())}


def _at(value: Any, *keys: str) -> Any:
    """What is at this path of nested objects, None where anything on the way is something else."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: Any, key: str) -> str:
    found = _at(value, key)
    return found if isinstance(found, str) else ""


def _pod(labels: Any) -> str:
    """`namespace/pod`, "" where the labels name none."""
    for namespace, pod in LABELS:
        if _text(labels, pod):
            return f"{_text(labels, namespace) or 'default'}/{_text(labels, pod)}"
    return ""
