"""What a file is, by its first bytes, and what is said of one that can't be read."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.errors import InputError
from perfpath.readers.detect import HEAD, READABLE, Kind, kind_of, refusal
from perfpath.readers.source import open_recording

LINE = b"     0.000 ping/2565 net:net_dev_queue(dev=docker0 skbaddr=0xffff88810ac64e00 len=98)\n"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"PERFILE2" + struct.pack("<Q", 104), Kind.PERFDATA),
        (b"2ELIFREP" + struct.pack(">Q", 104), Kind.PERFDATA),
        (b"PERFILE2" + struct.pack("<Q", 16), Kind.PERFDATA_PIPE),
        (b"2ELIFREP" + struct.pack(">Q", 16), Kind.PERFDATA_PIPE),
        (b"PERFILE2", Kind.CUT),
        (b"PERFFILE" + bytes(96), Kind.PERFDATA_OLD),
        (b"\x17\x08\x44tracing6\0", Kind.TRACE_DAT),
        (gzip.compress(LINE), Kind.GZIP),
        (b"\x28\xb5\x2f\xfd\x04", Kind.ZSTD),
        (b"\xfd7zXZ\x00\x00", Kind.XZ),
        (b"BZh91AY", Kind.BZIP2),
        (struct.pack("<IHH", 0xA1B2C3D4, 2, 4), Kind.PCAP),
        (struct.pack(">IHH", 0xA1B23C4D, 2, 4), Kind.PCAP),
        (b"\x0a\x0d\x0d\x0a\x1c\0\0\0", Kind.PCAPNG),
        (LINE.decode().encode("utf-16"), Kind.UTF16),
        (b"\x7fELF\x02\x01\x01\0\0", Kind.BINARY),
        (b"", Kind.EMPTY),
        (LINE, Kind.TEXT),
        (b"0.000 \xff\x1b[31m/1 net:netif_rx(", Kind.TEXT),
    ],
)
def test_kinds(head: bytes, kind: Kind) -> None:
    assert kind_of(head) is kind


@given(head=st.binary(max_size=64))
def test_any_bytes_are_of_some_kind_and_what_cant_be_read_has_advice(head: bytes) -> None:
    kind = kind_of(head)
    if kind not in READABLE:
        assert str(refusal(kind, "x.data")).startswith(f"x.data: this is {kind.value}. ")


def test_the_corpus(corpus: Path) -> None:
    for path in filter(Path.is_file, sorted(corpus.rglob("*.*"))):
        expected = {".txt": Kind.TEXT, ".pipe": Kind.PERFDATA_PIPE}.get(path.suffix, Kind.PERFDATA)
        with path.open("rb") as file:
            assert kind_of(file.read(HEAD)) is expected, path


def _refused(path: Path | str) -> str:
    with pytest.raises(InputError) as error:
        open_recording(str(path))
    return str(error.value)


def test_paths_without_a_recording(tmp_path: Path) -> None:
    assert "no such file" in _refused(tmp_path / "missing")
    assert "directory without a recording" in _refused(tmp_path)
    (tmp_path / "capture.json").write_text("{}")
    assert "has no perf.data" in _refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"", "empty"),
        (os.urandom(64) + bytes(64), "binary data"),
        (gzip.compress(LINE), "gzip -dc"),
        (b"\x17\x08\x44tracing6\0", "trace-cmd report"),
        (struct.pack("<IHH", 0xA1B2C3D4, 2, 4), "packet capture"),
    ],
)
def test_files_without_a_recording(tmp_path: Path, content: bytes, advice: str) -> None:
    path = tmp_path / "some file"
    path.write_bytes(content)
    message = _refused(path)
    assert message.startswith(f"{path}: this is")
    assert advice in message


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(LINE)
    path.chmod(0)
    if os.geteuid() != 0:
        assert "you may not read it" in _refused(path)
        return
    tmp_path.chmod(0o755)
    opened = (
        "import os, sys; os.setuid(65534)\n"
        "from perfpath.errors import InputError\n"
        "from perfpath.readers import source\n"
        "try: source.open_recording(sys.argv[1])\n"
        "except InputError as error: print(error)\n"
    )
    # the interpreter's own modules are imported first: nobody may not be able to read them
    code = "import perfpath.readers.source, perfpath.readers.text.source\n" + opened
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "may not read it" in run.stdout


def _on_stdin(content: bytes | None, batch_bytes: int | None = None) -> str:
    """What reading standard input says: the number of events, or the error."""
    code = (
        "from perfpath.errors import InputError\n"
        "from perfpath.readers.source import open_recording\n"
        f"try: print(sum(map(len, open_recording('-', batch_bytes={batch_bytes}).batches())))\n"
        "except InputError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code]
    if content is None:
        command = ["sh", "-c", '"$@" <&-', "sh", *command]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout.decode()


def test_standard_input() -> None:
    assert _on_stdin(LINE * 3).strip() == "3"
    assert _on_stdin(LINE * 1000, 1000).strip() == "1000"
    assert "standard input: this is nothing: it is empty" in _on_stdin(b"")
    assert "standard input: it can't be opened" in _on_stdin(None)
    assert "gzip -dc FILE" in _on_stdin(gzip.compress(LINE))


def test_a_named_pipe(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", 'printf "%s" "$1" > "$2"', "sh", LINE.decode(), str(fifo)]):
        (table,) = open_recording(str(fifo)).batches()
    assert len(table) == 1


@pytest.mark.parametrize("name", ["perf-6.1/four.data", "perf-6.1/four.pipe"])
def test_perf_data_by_any_way(corpus: Path, tmp_path: Path, name: str) -> None:
    content = (corpus / name).read_bytes()
    assert _on_stdin(content).strip() == "18"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", 'cat "$1" > "$2"', "sh", str(corpus / name), str(fifo)]):
        source = open_recording(str(fifo))
        assert sum(map(len, source.batches())) == 18
    assert source.info.path == str(fifo)
    capture = tmp_path / "capture"
    capture.mkdir()
    (capture / "perf.data").write_bytes(content)
    assert sum(map(len, open_recording(str(capture)).batches())) == 18


@pytest.mark.perf
def test_a_perf_data_directory(tmp_path: Path) -> None:
    folder = tmp_path / "perf.data.d"
    command = ["perf", "record", "-q", "--threads", "-a", "-e", "net:net_dev_queue", "-o", str(folder), "--", "true"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this perf can't record into a directory")
    assert "directory" in open_recording(str(folder)).info.format


@pytest.mark.parametrize("order", ["<", ">"])
def test_nothing_but_a_pipes_header_is_no_empty_recording(order: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(struct.pack(f"{order}QQ", int.from_bytes(b"PERFILE2", "little"), 16))
    source = open_recording(str(tmp_path / "x"))
    assert [len(table) for table in source.batches()] in ([], [0])
    assert source.diagnostics.notes["cut-short"].severity == "error"
