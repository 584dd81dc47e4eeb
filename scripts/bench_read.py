"""Reading perf.data against `perf script` and against the floor: np.fromfile, a header walk, and gathering columns.

Prints one line a subject with medians of interleaved runs, wall and CPU seconds, and the peak of memory; each run is
a process of its own, whose interpreter's start is not counted for the Python subjects. --json writes the numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus" / "million.zstd.data"
FOUR_TIMES, TWICE_THE_FLOOR = 4.0, 2.0


def plain(recording: Path, target: Path, repeat: int = 1, step_ns: int = 20_000_000_000) -> None:
    """Write a compressed recording's records uncompressed, `repeat` times with the samples' times shifted."""
    import zstandard

    data = recording.read_bytes()
    head = bytearray(data[:104])
    offset, size = struct.unpack_from("<QQ", head, 40)
    records, at, stream = bytearray(), offset, zstandard.ZstdDecompressor().decompressobj()
    while at < offset + size:
        kind, _, length = struct.unpack_from("<IHH", data, at)
        records += stream.decompress(data[at + 8 : at + length]) if kind == 81 else data[at : at + length]
        at += length
    features = sum(word.bit_count() for word in struct.unpack_from("<4Q", head, 72))
    table = bytearray(data[offset + size : offset + size + 16 * features])
    grown = len(records) * repeat - size
    for entry in range(features):
        (where,) = struct.unpack_from("<Q", table, 16 * entry)
        struct.pack_into("<Q", table, 16 * entry, where + grown)
    struct.pack_into("<Q", head, 48, len(records) * repeat)
    with target.open("wb") as out:
        out.write(bytes(head) + data[104:offset])
        for turn in range(repeat):
            out.write(shifted(records, turn * step_ns))
        out.write(bytes(table) + data[offset + size + 16 * features :])


def shifted(records: bytearray, by_ns: int) -> bytearray:
    """The records with the time of each sample moved (it stands behind IDENTIFIER, IP and TID)."""
    if not by_ns:
        return records
    import numpy as np

    moved = bytearray(records)
    words, at = np.frombuffer(moved, np.uint64), []
    position, view = 0, memoryview(moved).cast("H")
    while position < len(view):
        if view[position] == 9:
            at.append(position // 4 + 4)
        position += view[position + 3] >> 1
    words[np.array(at)] += np.uint64(by_ns)
    return moved


def floor(path: str) -> int:
    """What nobody can do without, with no check at all, for a little-endian file with one layout of samples."""
    import numpy as np

    data = np.fromfile(path, np.uint8)
    offset, size = np.frombuffer(data[40:56].tobytes(), "<u8").tolist()
    data = data[offset : offset + size]
    heads = data.data.cast("H")
    at: list[int] = []
    position, end = 0, len(heads)
    append = at.append
    while position < end:
        append(position)
        position += heads[position + 3] >> 1
    places = np.array(at) >> 2
    words, halves = data.view("<u8"), data.view("<u4")
    places = places[halves[2 * places] == 9]
    identifier, task, when = words[places + 1], words[places + 3], words[places + 4]
    cpu, ids, skb = words[places + 5].astype("<u2"), halves[2 * places + 15], 2 * places + 17
    skbaddr = halves[skb].astype("<u8") | halves[skb + 1].astype("<u8") << np.uint64(32)
    columns = [identifier, task, cpu, ids, skbaddr, halves[skb + 2], words[places + 10], words[places + 11]]
    order = np.argsort(when, kind="stable")
    return sum(len(column[order]) for column in columns) // len(columns)


def ours(path: str) -> int:
    """Our reader."""
    from perfpath.readers.perfdata import open_perfdata

    return sum(map(len, open_perfdata(path).batches()))


def streamed(path: str) -> int:
    """Our reader in bounded memory."""
    from perfpath.readers.perfdata import open_perfdata

    return sum(map(len, open_perfdata(path, batch_bytes=32 << 20).batches()))


def frames(path: str) -> int:
    """The Python API, import of pandas included: EVENTS, HOPS and JOURNEYS as DataFrames."""
    import perfpath

    trace = perfpath.read(path)
    return len(trace.events) if len(trace.hops) and len(trace.journeys) else 0


UNIFORM, MIXED = ("net:net_dev_queue", "net:netif_rx"), ("net:*", "skb:*", "qdisc:*")


def record(target: Path, chosen: tuple[str, ...], packets: int) -> None:
    """Record a UDP flood over loopback, in a network namespace of its own."""
    flood = (
        "import fcntl, socket, struct\n"
        "up = struct.pack('16sH', b'lo', 1)\n"  # SIOCSIFFLAGS: IFF_UP
        "out, to = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)\n"
        "fcntl.ioctl(out, 0x8914, up)\n"
        "to.bind(('127.0.0.1', 0))\n"
        f"for _ in range({packets}):\n"
        "    out.sendto(b'x' * 64, to.getsockname())\n"
        "    to.recv(64)\n"
    )
    words = [word for event in chosen for word in ("-e", event)]
    recording = ["perf", "record", "-q", "-a", "-m", "16M", "-o", str(target)]
    subprocess.run(
        [*recording, *words, "--", "unshare", "--net", sys.executable, "-c", flood],
        check=True,
        stderr=subprocess.DEVNULL,
    )


SUBJECTS = {"floor": floor, "perfpath": ours, "perfpath, streamed": streamed, "perfpath, DataFrames": frames}


def child(subject: str, path: str) -> None:
    """Run one subject and print what it took, imports before the clock starts."""
    import numpy as np  # noqa: F401

    import perfpath.readers.perfdata  # noqa: F401

    began, cpu = time.perf_counter(), time.process_time()
    events = SUBJECTS[subject](path)
    took = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu, "events": events}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({**took, "peak": peak}))


def run(subject: str, path: Path) -> dict[str, float]:
    """One measurement in a process of its own."""
    if subject != "perf script":
        command = [sys.executable, __file__, "--child", subject, str(path)]
        measured: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return measured
    began = time.perf_counter()
    with subprocess.Popen(
        ["perf", "script", "-f", "-i", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PAGER": "cat"},
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took = {"wall": time.perf_counter() - began, "cpu": usage.ru_utime + usage.ru_stime}
    return {**took, "peak": usage.ru_maxrss * 1024}


def compare(path: Path, subjects: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Medians of interleaved runs."""
    runs: dict[str, list[dict[str, float]]] = {subject: [] for subject in subjects}
    for _ in range(rounds):
        for subject in subjects:
            runs[subject].append(run(subject, path))
    return {
        subject: {key: statistics.median(one[key] for one in measured) for key in measured[0]}
        for subject, measured in runs.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path, nargs="?", help="a plain perf.data; default: the corpus's million")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=1, help="repeat the million so many times")
    parser.add_argument(
        "--mixed",
        action="store_true",
        help="also record two tracepoints and net:*, skb:*, qdisc:* here (root) and compare",
    )
    parser.add_argument("--mixed-events", type=int, default=600_000, help="how many events at least")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    with tempfile.TemporaryDirectory(prefix="perfpath-bench-") as folder:
        path = options.recording or Path(folder) / "million.data"
        if options.recording is None:
            plain(CORPUS, path, options.repeat)
        found = measured(path, options.rounds)
        if options.mixed:
            found["mixed"] = mixed(Path(folder), options.mixed_events, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def mixed(folder: Path, events: int, rounds: int) -> dict[str, Any]:
    """The same flood recorded with two of its tracepoints and with all: what an event takes, in pairs of runs."""
    paths = folder / "uniform.data", folder / "mixed.data"
    record(paths[0], UNIFORM, events // 2)
    record(paths[1], MIXED, events // 6)  # a packet makes seven here
    subjects = [*(["perf script"] if shutil.which("perf") else []), "perfpath"]
    ratios: dict[str, list[float]] = {subject: [] for subject in subjects}
    counted = [run("perfpath", path)["events"] for path in paths]
    sizes = [path.stat().st_size / count for path, count in zip(paths, counted, strict=True)]
    for _ in range(rounds):
        for subject in subjects:
            uniform, other = (run(subject, path)["cpu"] / count for path, count in zip(paths, counted, strict=True))
            ratios[subject].append(other / uniform)
    medians = {subject: statistics.median(found) for subject, found in ratios.items()}
    told = ", ".join(f"{subject} {ratio:.2f}" for subject, ratio in medians.items())
    sys.stdout.write(f"CPU time of a mixed event against a uniform one, {sizes[1] / sizes[0]:.2f} x as long: {told}\n")
    return {"events": counted, "bytes_an_event": sizes, "ratios": medians}


def measured(path: Path, rounds: int) -> dict[str, Any]:
    """Compare the readers on a file, and print what they took."""
    subjects = [*(["perf script"] if shutil.which("perf") else []), *SUBJECTS]
    results = compare(path, subjects, rounds)
    size, events = path.stat().st_size, results["perfpath"]["events"]
    first = results[subjects[0]]
    sys.stdout.write(f"{path.name}: {size / 1e6:.1f} MB, {events:.0f} events; speed against {subjects[0]}\n")
    for subject, took in results.items():
        sys.stdout.write(
            f"{subject:20} {took['wall']:7.3f} s wall {took['cpu']:7.3f} s CPU {took['peak'] / size:6.2f} x file peak "
            f"{first['wall'] / took['wall']:6.2f} x (wall) {first['cpu'] / took['cpu']:6.2f} x (CPU) "
            f"{took['cpu'] / events * 1e9:6.0f} ns CPU an event\n"
        )
    return {"file_bytes": size, "results": results}


if __name__ == "__main__":
    main()
