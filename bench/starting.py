"""How long a stranger waits: from a fresh clone and `make run` to the first page, and at the second start.

Writes bench/results/starting.json. Needs a committed work tree, because it clones it.
"""

import json
import os
import platform
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
MUST_SECONDS = {"first start, fresh clone": 60, "second start": 5}


def time_start(clone: Path, port: int) -> float:
    """Seconds from `make run` to the first page; stops everything again as Ctrl-C would."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NEWSROOM_")}
    environ["NEWSROOM_PORT"] = str(port)
    began = time.monotonic()
    process = subprocess.Popen(
        ["make", "run"], cwd=clone, env=environ, start_new_session=True, stdout=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    assert answer.status == 200
                return time.monotonic() - began
            except OSError:
                assert process.poll() is None, "make run ended"
                assert time.monotonic() - began < 600, "no page in ten minutes"
                time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        clone = Path(folder) / "a stranger's folder"
        subprocess.run(["git", "clone", "-q", PROJECT, clone], check=True)
        rows = []
        for what, must in MUST_SECONDS.items():
            seconds = round(time_start(clone, port), 1)
            promise = {"must": must, "bound": "at most", "met": seconds <= must}
            rows.append({"what": f"{what} to first page, seconds", "value": seconds, **promise})
            print(f"{what}: {seconds} s (at most {must})")
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "rows": rows,
    }
    path = PROJECT / "bench" / "results" / "starting.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
