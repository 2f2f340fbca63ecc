"""What a student's server costs to start: our student image against a plain JupyterLab image, in one run.

    python benchmarks/spawn.py [--rounds 5] [--image tinytorch/student:0.1.0]

The plain image (benchmarks/plain) is built here from the same base: JupyterLab and jupyterhub by pip, in the
same versions. Both run by turns, with a student container's limits, against the same minimal stand-in of the
hub's API (version, token check, activity); not a real hub, whose own CPU time is not what this is about.
Figures are medians of:

    cpu_s      CPU seconds of the container's cgroup from its start until the server is ready: it answers the
               hub's own check, GET on its prefix, with a redirect to sign-in
    wall_s     seconds from `docker start` until then
    settled_s  CPU seconds until five seconds after, with the lab's page served once to a signed-in student:
               work that is only put off until after the check would show here
    memory_mb  the container's own memory at that point, without page cache
    image_mb   size of the image

`--storm 60` instead has so many students click at once (storm.py): our deployed classroom, then a hub by the
book. Seconds until the first, the median and the last have their lab, CPU seconds of the whole machine for
each server (hub, proxy and engine among it, other load and the students themselves not), and who got none.
`--warm 60`: `make warm`, and what a click takes after it if all come within a minute.

The last line is these figures as one JSON object.
"""

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import storm  # noqa: E402

LABEL = "tinytorch.benchmark=spawn"
NETWORK = "tinytorch-benchmark-spawn"
PREFIX = "/user/student/"
TOKEN = "benchmark"
READY_TIMEOUT = 120
SETTLE = 5


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"docker {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


class Hub(BaseHTTPRequestHandler):
    """The three calls that a student's server makes to its hub."""

    protocol_version = "HTTP/1.1"
    version = "0"

    def do_GET(self) -> None:
        if self.path.rstrip("/") == "/hub/api":
            self._answer({"version": self.version})
        else:  # /hub/api/user: whose token is this?
            known = self.headers.get("Authorization", "").endswith(f" {TOKEN}")
            student = {
                "kind": "user",
                "name": "student",
                "admin": False,
                "groups": [],
                "server": PREFIX,
                "scopes": ["access:servers!server=student/", "read:users!user=student"],
            }
            self._answer(student if known else {"message": "no such token"}, 200 if known else 403)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer({})

    def _answer(self, body: dict[str, object], status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("X-JupyterHub-Version", self.version)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def cgroup_files(pid: str) -> tuple[Path, Path]:
    """The files with a container's CPU time and memory, under cgroup v1 or v2."""
    groups: dict[str, str] = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    if "cpuacct" in groups:
        root = Path("/sys/fs/cgroup")
        cpu, memory = groups["cpuacct"], groups["memory"]
        return root / f"cpuacct{cpu}/cpuacct.usage", root / f"memory{memory}/memory.stat"
    folder = Path(f"/sys/fs/cgroup{groups['']}")
    return folder / "cpu.stat", folder / "memory.stat"


def cpu_seconds(file: Path) -> float:
    text = file.read_text()
    if file.name == "cpuacct.usage":
        return int(text) / 1e9
    return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6


def memory_mb(file: Path) -> float:
    values = dict(line.split() for line in file.read_text().splitlines())
    return int(values.get("total_rss") or values["anon"]) / 1e6


def get(address: str, path: str, token: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, 8888, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Authorization": f"token {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read()


def spawn(image: str, api: str) -> dict[str, float]:
    """Start one student's server, wait until it is ready, and say what that cost."""
    environment = {
        "JUPYTERHUB_API_URL": api,
        "JUPYTERHUB_ACTIVITY_URL": f"{api}/users/student/activity",
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "JUPYTERHUB_USER": "student",
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-student",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
        "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:8888{PREFIX}",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PREFIX}oauth_callback",
        "JUPYTERHUB_OAUTH_SCOPES": '["access:servers!server=student/"]',
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers!server=student/"]',
        "JUPYTERHUB_DEFAULT_URL": "/lab",
        "HOME": "/home/student",
        "USER": "student",
    }
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, 20001, 20001)
        container = docker(
            *("create", "--label", LABEL, "--network", NETWORK, "--user", "20001:20001"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "256"),
            *("--memory", "1g", "--cpus", "1"),
            *("--volume", f"{home}:/home/student", "--workdir", "/home/student"),
            *(word for name, value in environment.items() for word in ("--env", f"{name}={value}")),
            image,
        )
        try:
            start = time.monotonic()
            docker("start", container)
            state = json.loads(docker("inspect", container))[0]
            cpu, memory = cgroup_files(str(state["State"]["Pid"]))
            address = state["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]
            status = 0
            while status != 302:
                if time.monotonic() - start > READY_TIMEOUT or not cpu.exists():
                    sys.exit(f"{image} did not become ready:\n{docker('logs', container)}")
                with contextlib.suppress(OSError):
                    status, _ = get(address, PREFIX)
                time.sleep(0.02)
            ready = {"cpu_s": cpu_seconds(cpu), "wall_s": time.monotonic() - start}
            status, page = get(address, f"{PREFIX}lab", TOKEN)
            if status != 200 or b"jupyter-config-data" not in page:
                sys.exit(f"{image} answers, but its lab does not ({status}).")
            time.sleep(SETTLE)
            return ready | {"settled_s": cpu_seconds(cpu), "memory_mb": memory_mb(memory)}
        finally:
            docker("rm", "--force", container)


def a_class(at_once: int | None, warmed: int | None, prefix: str, version: str) -> dict[str, object]:
    """The figures of a whole class."""
    storm.warn_of_load()
    figures: dict[str, object] = {}
    if at_once:
        with storm.ours(at_once) as students:
            figures["ours"] = storm.storm(students)
        print("ours: ", figures["ours"], flush=True)
        with storm.plain(at_once, prefix, version) as students:
            figures["plain"] = storm.storm(students)
    if warmed:
        with storm.ours(warmed) as students:
            figures["warm"] = storm.warm(students, seconds=60)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="What a student's server costs to start.")
    parser.add_argument("--image", default="tinytorch/student:0.1.0", help="ours (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each (default: %(default)s)")
    parser.add_argument("--storm", type=int, metavar="STUDENTS", help="instead: so many click at once")
    parser.add_argument(
        "--warm", type=int, metavar="STUDENTS", help="instead: so many click after `make warm`"
    )
    given = parser.parse_args()
    prefix, _, rest = given.image.rpartition("/student:")
    if not prefix:
        sys.exit(f"--image is '{given.image}'. Give PREFIX/student:VERSION, as images/build.sh names it.")

    docker("image", "inspect", given.image)
    by_the_book = ["plain", "hub", "proxy"] if given.storm else ["plain"]
    built = subprocess.run([ROOT / "images/build.sh", prefix, rest, *by_the_book], check=False)
    if built.returncode:
        sys.exit("The plain image could not be built; why is above.")
    images = {"ours": given.image, "plain": f"{prefix}/plain:{rest}"}
    if given.storm or given.warm:
        print(json.dumps(a_class(given.storm, given.warm, prefix, rest)))
        return

    docker("network", "create", "--label", LABEL, NETWORK)
    try:
        gateway = json.loads(docker("network", "inspect", NETWORK))[0]["IPAM"]["Config"][0]["Gateway"]
        Hub.version = docker(
            *("run", "--rm", "--network", "none", "--label", LABEL, images["ours"]), "jupyterhub", "--version"
        ).split()[-1]
        server = ThreadingHTTPServer((gateway, 0), Hub)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api = f"http://{gateway}:{server.server_port}/hub/api"
        runs: dict[str, list[dict[str, float]]] = {"ours": [], "plain": []}
        for name in images:
            spawn(images[name], api)  # not counted: fills the page cache
        for turn in range(given.rounds):
            for name in sorted(images, reverse=bool(turn % 2)):
                run = spawn(images[name], api)
                runs[name].append(run)
                print(f"{name:5}", *(f"{key} {value:7.2f}" for key, value in run.items()), flush=True)
    finally:
        docker("network", "rm", NETWORK)

    figures = {}
    for key in ("cpu_s", "wall_s", "settled_s", "memory_mb", "image_mb"):
        median = {
            name: int(docker("image", "inspect", "--format", "{{.Size}}", images[name])) / 1e6
            if key == "image_mb"
            else statistics.median(run[key] for run in runs[name])
            for name in images
        }
        figures[key] = {name: round(value, 3) for name, value in median.items()}
        figures[key]["ratio"] = round(median["ours"] / median["plain"], 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
