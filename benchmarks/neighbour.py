"""What a student feels of a neighbour who means harm: how long a cell takes, idle and beside each bomb.

    python benchmarks/neighbour.py [--seconds 20]

A classroom of its own is deployed (classroom.yml) with two students. One runs a cell of some 20 ms again and
again, from a browser's side: through proxy, server and kernel and back. In the other's server, as that
student, run one after the other: processes that fork without end, processes that allocate until they are
killed, eight busy loops, files written and flushed without end, and all of it at once. Then 10,000 requests
come to the sign-in page from outside, a tenth of them guesses.

For each the median and the 95th percentile of the cell, and how many times the idle one the latter is; of the
flood also what it was answered, and the hub's memory.

It needs root, a running engine and the packages of requirements/dev.txt, and removes what it starts. The last
line is the figures as one JSON object.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import requests  # noqa: E402
import websocket  # noqa: E402

from benchmarks import storm  # noqa: E402
from benchmarks.storm import Student, run  # noqa: E402

CELL = "sum(range(600_000))"
PAUSE = 0.05  # seconds between two cells
FLOOD = 10_000
AT_ONCE = 16

# Each ends by itself after so many seconds; what it leaves is removed.
BOMBS = {
    "fork": """
while time.monotonic() < end:
    try:
        os.fork()
    except OSError:
        pass
os._exit(0)
""",
    "memory": """
while time.monotonic() < end:
    if not os.fork():  # the kernel is to choose this one, not the server
        open("/proc/self/oom_score_adj", "w").write("1000")
        hoard = []
        while time.monotonic() < end:
            hoard.append(b"x" * 2**24)
        os._exit(0)
    os.wait()
""",
    "cpu": """
for _ in range(7):
    if not os.fork():
        break
while time.monotonic() < end:
    pass
""",
    "disk": """
try:
    while time.monotonic() < end:
        with open(os.path.expanduser("~/big"), "wb") as file:
            for _ in range(2000):
                if time.monotonic() < end:
                    file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
finally:
    os.unlink(os.path.expanduser("~/big"))
""",
}


class Kernel:
    """A notebook's kernel, as the browser has it."""

    def __init__(self, student: Student) -> None:
        base = f"{student.url}user/{student.name}/"
        student.session.get(f"{base}lab", timeout=60).raise_for_status()
        jar = {cookie.name: cookie.value for cookie in student.session.cookies if student.name in cookie.path}
        headers = {"X-XSRFToken": jar["_xsrf"]}
        made = student.session.post(
            f"{base}api/kernels", json={"name": "python3"}, headers=headers, timeout=60
        )
        made.raise_for_status()
        address = f"{base}api/kernels/{made.json()['id']}/channels".replace("http", "ws", 1)
        cookies = "; ".join(f"{name}={value}" for name, value in jar.items())
        self.socket = websocket.create_connection(address, cookie=cookies, timeout=120)

    def cell(self) -> float:
        """Seconds from sending a cell to its end."""
        message = uuid.uuid4().hex
        header = {
            "msg_id": message,
            "msg_type": "execute_request",
            "username": "",
            "session": message,
            "version": "5.3",
        }
        content = {
            "code": CELL,
            "silent": False,
            "store_history": False,
            "allow_stdin": False,
            "stop_on_error": True,
        }
        began = time.monotonic()
        self.socket.send(
            json.dumps(
                {
                    "header": header,
                    "parent_header": {},
                    "metadata": {},
                    "content": content,
                    "channel": "shell",
                }
            )
        )
        while True:
            heard = json.loads(self.socket.recv())
            if (
                heard["parent_header"].get("msg_id") == message
                and heard["content"].get("execution_state") == "idle"
            ):
                return time.monotonic() - began


def cells(kernel: Kernel, done: threading.Event) -> list[float]:
    """Milliseconds of one cell after the other until it is done."""
    taken = []
    while not done.is_set():
        taken.append(1000 * kernel.cell())
        time.sleep(PAUSE)
    return taken


def beside(kernel: Kernel, what: Any) -> dict[str, float]:
    """The cells while something else is done."""
    done = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(cells, kernel, done)
        try:
            what()
        finally:
            done.set()
        found = taken.result()
    return {**storm._spread(found, p50=0.5, p95=0.95, max=1.0), "cells": len(found)}


def container_of(student: Student) -> str:
    return run("docker", "ps", "--quiet", "--filter", f"label=tinytorch.user={student.name}")


def attack(student: Student, bombs: list[str], seconds: float) -> None:
    """Set off bombs in a student's server; it may end by them, and is started again then."""
    container = container_of(student)
    going = []
    for bomb in bombs:
        code = f"import os, time\nend = time.monotonic() + {seconds}\n{BOMBS[bomb]}"
        command = ["docker", "exec", container, "python3", "-c", code]
        going.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    for each in going:
        each.wait()
    if not container_of(student):
        print(f"{'+'.join(bombs)}: the attacker's own server was ended", flush=True)
        while student.session.get(f"{student.url}hub/api/users/{student.name}", timeout=60).json()["servers"]:
            time.sleep(1)  # the hub looks after it every half minute
        student.click()


def flood(url: str) -> Counter[str]:
    """10,000 requests to the sign-in page, a tenth of them wrong passwords; what was answered how often."""
    answers: Counter[str] = Counter()

    def some(part: int) -> None:
        session = requests.Session()
        session.trust_env = False
        form = {
            "_xsrf": storm._token(session.get(f"{url}hub/login", timeout=120)),
            "password": "wrong password",
        }
        for number in range(FLOOD // AT_ONCE):
            if number % 10:
                answer = session.get(f"{url}hub/login", timeout=120)
            else:
                name = f"guessed-{part}-{number // 50}"
                answer = session.post(f"{url}hub/login", data={**form, "username": name}, timeout=120)
            answers[f"{answer.request.method} {answer.status_code}"] += 1

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(some, range(AT_ONCE)))
    return answers


def hub_mb() -> int:
    """What the hub's processes have in memory."""
    hub = run("ansible/compose.sh", str(storm.CONFIG), "ps", "--quiet", "hub")
    processes = run("docker", "top", hub, "-eo", "pid,rss").splitlines()[1:]
    return sum(int(line.split()[1]) for line in processes) // 1024


def main() -> None:
    """Deploy, measure idle, then beside each."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument(
        "--seconds", type=float, default=20, help="of each measurement (default: %(default)s)"
    )
    asked = parser.parse_args()
    storm.warn_of_load()
    figures: dict[str, Any] = {"other_load_cpus": round(storm.idle_cpus(), 2)}
    with storm.ours(2) as (victim, attacker):
        for student in (victim, attacker):
            student.click()
        kernel = Kernel(victim)
        for _ in range(20):
            kernel.cell()  # not counted
        idle = beside(kernel, lambda: time.sleep(asked.seconds))
        figures["idle"] = idle
        print("idle", idle, flush=True)
        for bombs in (*([name] for name in BOMBS), list(BOMBS)):
            name = "+".join(bombs) if len(bombs) < len(BOMBS) else "all"
            found = beside(kernel, lambda bombs=bombs: attack(attacker, bombs, asked.seconds))
            figures[name] = {**found, "p95_times_idle": round(found["p95"] / idle["p95"], 2)}
            print(name, figures[name], flush=True)
        answers: Counter[str] = Counter()
        before, began = hub_mb(), time.monotonic()
        found = beside(kernel, lambda: answers.update(flood(victim.url)))
        figures["flood"] = {
            **found,
            "p95_times_idle": round(found["p95"] / idle["p95"], 2),
            "seconds": round(time.monotonic() - began, 1),
            "answers": dict(sorted(answers.items())),
            "hub_mb": {"before": before, "after": hub_mb()},
        }
        print("flood", figures["flood"], flush=True)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
