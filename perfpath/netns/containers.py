"""Container and pod names, by the container's id in a process's cgroup.

State files of the runtimes are read where they usually are, only those of the ids in question; where they aren't there,
the process that keeps the container tells (`keepers`). A runtime's own command is asked only where `ask` allows it,
since it may take a second.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.netns.keepers import Keepers
from perfpath.netns.state_files import StateFiles, at, pod, text

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics

PATIENCE = 1.0  # seconds for a runtime's command
SHORT_ID = 12  # what `docker ps` shows

# Of one id the first that fits; <id> is 64 hexadecimal digits. Paths as systemd and cgroupfs drivers make them.
CGROUPS = tuple(
    (runtime, re.compile(pattern.replace("ID", "([0-9a-f]{64})(?![0-9a-f])")))
    for runtime, pattern in (
        ("podman", r"/libpod-(?:payload-)?ID"),
        ("kubernetes", r"/crio-ID"),
        ("kubernetes", r"[/-]kubepods[^\n]*[/-]ID"),  # -: with a name before it in kind's nodes
        ("docker", r"(?:/docker/|/docker-)ID"),
        ("containerd", r"(?:/cri-containerd-|/nerdctl-|/)ID"),
        ("lxc", r"/(?:lxc\.payload[./]|lxc/)([^/\n]+)"),
        ("nspawn", r"/(?:machine-([^/\n]+)\.scope|systemd-nspawn@([^/\n]+)\.service)"),
    )
)

TASK = re.compile(r":/([^/\n]+)/([^/\n]+)$", re.MULTILINE)  # containerd's namespace and id, which anybody chose

COMMANDS = {  # what a runtime's command prints is lines of `ID NAME`
    "docker": ["docker", "ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"],
    "podman": ["podman", "ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"],
    "containerd": ["nerdctl", "ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"],
}


@dataclass(frozen=True, slots=True)
class Runtimes:
    """Where container runtimes keep their state; tests put their own there."""

    docker: str = "/var/lib/docker"
    docker_settings: str = "/etc/docker/daemon.json"
    containerd: str = "/run/containerd/io.containerd.runtime.v2.task"
    storage: str = "/var/lib/containers/storage/overlay-containers"  # podman and CRI-O: names
    storage_run: str = "/run/containers/storage/overlay-containers"  # podman and CRI-O: settings of running ones


def container_of(cgroup: str) -> tuple[str, str] | None:
    """(runtime, id) of the container that the text of /proc/PID/cgroup names, None for none.

    Containers may run in containers, as pods do in kind's nodes: the innermost one counts.
    """
    inmost: tuple[int, str, str] | None = None
    for line in cgroup.splitlines():
        found: dict[tuple[int, int], tuple[str, str]] = {}
        for runtime, pattern in CGROUPS:
            for match in pattern.finditer(line):
                group = match.lastindex or 0
                found.setdefault(match.span(group), (runtime, match[group]))
        if found and (inmost is None or len(found) > inmost[0]):
            inmost = (len(found), *found[max(found)])
    return None if inmost is None else inmost[1:]


class Containers:
    """Names of containers. proc: where /proc is."""

    def __init__(self, runtimes: Runtimes, diagnostics: Diagnostics, *, ask: bool, proc: str = "/proc") -> None:
        self.runtimes = runtimes
        self.diagnostics = diagnostics
        self.ask = ask
        self.states = StateFiles(diagnostics)
        self.kept = Keepers(proc, self.states).name
        self._stored: dict[str, str] | None = None
        self._answers: dict[str, dict[str, str]] = {}

    def of(self, pid: int, cgroup: str) -> tuple[str, str] | None:
        """(name, origin) of the container of a process and the text of its /proc/PID/cgroup, None for none."""
        container = container_of(cgroup)
        if container is None:
            return self._task(cgroup) or self.kept(pid)
        return self._stored_name(*container) or self.kept(pid) or self._last_resort(*container)

    def _task(self, cgroup: str) -> tuple[str, str] | None:
        """A container whose id is no number, as `ctr run IMAGE web` makes it: where containerd has such a task."""
        for space, identity in dict.fromkeys(TASK.findall(cgroup)):
            if os.access(f"{self.runtimes.containerd}/{space}/{identity}/config.json", os.F_OK):
                return identity, "containerd"
        return None

    def _stored_name(self, runtime: str, identity: str) -> tuple[str, str] | None:
        for source in (self._docker, self._oci, self._storage):
            found = source(runtime, identity)
            if found is not None:
                return found
        return None

    def _last_resort(self, runtime: str, identity: str) -> tuple[str, str]:
        """The short id where nobody tells the name."""
        if runtime == "lxc":
            return identity, runtime
        if runtime == "nspawn":  # systemd.unit(5): what isn't allowed in a unit's name is \xHH there
            return re.sub(r"\\x([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), identity), runtime
        name = self._answer(runtime).get(identity, "") if self.ask else ""
        return name or identity[:SHORT_ID], runtime

    def _docker(self, _runtime: str, identity: str) -> tuple[str, str] | None:
        for root in dict.fromkeys((self.runtimes.docker, self._docker_root())):
            state = self.states.load(f"{root}/containers/{identity}/config.v2.json")
            name = pod(at(state, "Config", "Labels"))
            if name:
                return name, "kubernetes"
            name = text(state, "Name").removeprefix("/")
            if name:
                return name, "docker"
        return None

    def _docker_root(self) -> str:
        return text(self.states.load(self.runtimes.docker_settings), "data-root") or self.runtimes.docker

    def _oci(self, runtime: str, identity: str) -> tuple[str, str] | None:
        """The runtime's config.json (OCI runtime specification): annotations name the pod or nerdctl's container."""
        places = [f"{self.runtimes.storage_run}/{identity}/userdata/config.json"]
        places += [f"{self.runtimes.containerd}/{space}/{identity}/config.json" for space in ("k8s.io", "default")]
        for place in places:
            annotations = at(self.states.load(place), "annotations")
            name = pod(annotations)
            if name:
                return name, "kubernetes"
            name = text(annotations, "nerdctl/name")
            if name:
                return name, runtime
        return None

    def _storage(self, runtime: str, identity: str) -> tuple[str, str] | None:
        if self._stored is None:
            self._stored = {}
            places = [f"{self.runtimes.storage}/{file}" for file in ("containers.json", "volatile-containers.json")]
            places.append(f"{self.runtimes.storage_run}/volatile-containers.json")  # podman --transient-store
            for place in places:
                listed = self.states.load(place)
                for each in listed if isinstance(listed, list) else []:
                    names = at(each, "names")
                    if isinstance(names, list) and names and isinstance(names[0], str):
                        self._stored[text(each, "id")] = names[0]
        name = self._stored.get(identity)
        return None if name is None else (name, runtime)

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
