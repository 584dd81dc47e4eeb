"""A bare user of a session, for tests that need a process of its own: `driver.py OPTIONS_JSON OUT [COMMAND...]`.

The stream goes to OUT, what the session says of itself to OUT.json; ends with the status that perfpath would.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from perfpath.capture.session import Plan, Session
from perfpath.errors import PerfpathError


def main() -> int:
    options, out, *command = sys.argv[1:]
    wishes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(options).items()
    }
    with Session(Plan(command=tuple(command), **wishes)) as session, Path(out).open("wb", buffering=0) as file:
        session.start()
        session.release()
        said: dict[str, Any] = {"backend": session.backend, "format": session.format, "why": session.why}
        Path(f"{out}.started").write_text(json.dumps(said))
        while (data := session.read(0.025)) is not None:
            file.write(data)
        said |= {"status": session.child_status, "signal": session.last_signal} | session.diagnostics.as_dict()
        Path(f"{out}.json").write_text(json.dumps(said))
        return session.child_status or 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PerfpathError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.status)
