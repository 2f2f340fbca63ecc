"""A class that comes all at once: the two halves of `spawn.py --storm` and `--warm`.

Ours is a classroom of its own (classroom.yml), which `make deploy` makes; it is taken away again unless it
was there. The other is what one gets by the book: JupyterHub and DockerSpawner with their default settings
and the plain image, in the versions that ours has, with the engine's socket in the hub.

A student is a session that clicks and does what a browser does: follows redirects, listens to the news of the
page that waits, goes on when it says so. Ready is when the lab's page is there.
"""

import contextlib
import csv
import html
import io
import json
import os
import random
import re
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "benchmarks" / "classroom.yml"
LABEL = "tinytorch.benchmark=storm"
NAME = "tinytorch-benchmark-storm"
PLAIN_PORT = 18790
PASSWORD = "correct horse battery"
PATIENCE = 600  # seconds that a student waits
TICKS = os.sysconf("SC_CLK_TCK")
IDLE_SECONDS = 5
LOADED = 0.2  # CPUs busy with other things, above which wall seconds say little
NEWS = re.compile(r'data-news="([^"]+)"|EventSource\("([^"]+)"\)')

PLAIN_HUB = """
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "{password}"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "docker"
c.DockerSpawner.image = "{image}"
c.DockerSpawner.network_name = "{network}"
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.prefix = "{network}"
c.DockerSpawner.extra_create_kwargs = {{"user": "20001", "labels": {{"tinytorch.benchmark": "storm"}}}}
c.DockerSpawner.environment = {{"HOME": "/tmp"}}
c.DockerSpawner.notebook_dir = "/tmp"
c.JupyterHub.hub_ip = "0.0.0.0"
c.JupyterHub.hub_connect_ip = "{network}-hub"
c.JupyterHub.db_url = "sqlite:////tmp/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "/tmp/cookie"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://{network}-proxy:8001"
"""

# What a running kernel does: a piece of work of some 20 ms, again and again.
KERNEL = """
import time
def work():
    began = time.perf_counter()
    sum(range(600_000))
    return time.perf_counter() - began
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    print(work(), flush=True)
    time.sleep(0.1)
"""


def run(*command: str, **more: Any) -> str:
    """Run a command that must succeed; what it printed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout.strip()


def machine_cpu() -> float:
    """CPU seconds that the whole machine has used."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS


def idle_cpus() -> float:
    """CPUs that are busy while nothing of ours is."""
    cpu, wall = machine_cpu(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (machine_cpu() - cpu) / (time.monotonic() - wall)


class FailedError(Exception):
    """A student got no lab; the text is what they were told."""


@dataclass
class Student:
    """One browser."""

    url: str  # of the classroom, with a slash at the end
    name: str
    session: requests.Session = field(default_factory=requests.Session)

    def sign_in(self, password: str) -> requests.Response:
        """Sign in through the form; the page after it."""
        self.session.trust_env = False
        page = self.session.get(f"{self.url}hub/login")
        form = {"username": self.name, "password": password, "_xsrf": _token(page)}
        # To the home page: nothing starts yet.
        return self.session.post(f"{self.url}hub/login?next={_path(self.url)}hub%2Fhome", data=form)

    def choose(self, page: requests.Response) -> None:
        """The first sign-in: a password of one's own."""
        form = {"password": PASSWORD, "again": PASSWORD, "_xsrf": _token(page)}
        self.session.post(page.url, data=form).raise_for_status()

    def click(self) -> float:
        """Ask for the lab; seconds until its page is there. Raises FailedError."""
        began = time.monotonic()
        page = self.session.get(f"{self.url}hub/spawn", timeout=PATIENCE)
        while "jupyter-config-data" not in page.text:
            if time.monotonic() - began > PATIENCE:
                raise FailedError("no lab within ten minutes")
            found = NEWS.search(page.text)
            if not page.ok or not found:
                raise FailedError(f"{page.status_code} {_words(page.text)}")
            self._listen(html.unescape(found[1] or json.loads(f'"{found[2]}"')))
            page = self.session.get(f"{self.url}hub/spawn-pending/{self.name}", timeout=PATIENCE)
        return time.monotonic() - began

    def _listen(self, news: str) -> None:
        """The page's news, until there is no more to come."""
        address = requests.compat.urljoin(self.url, news)
        with self.session.get(address, stream=True, timeout=PATIENCE) as stream:
            for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
                if line.startswith("data:"):
                    said = json.loads(line[5:])
                    if said.get("ready"):
                        return
                    if said.get("failed"):
                        raise FailedError(said["message"])


def _token(page: requests.Response) -> str:
    found = re.search(r'name="_xsrf"\s+value="([^"]+)"', page.text)
    if not found:
        sys.exit(f"{page.url} has no form: {page.status_code} {_words(page.text)}")
    return found[1]


def _path(url: str) -> str:
    return requests.compat.quote(requests.compat.urlparse(url).path, safe="")


def _words(text: str) -> str:
    """A page's text, shortened."""
    body = re.sub(r"(?s)<(script|style|head).*?</\1>|<[^>]+>", " ", text)
    return " ".join(html.unescape(body).split())[:200]


# ---- the two classrooms ----


@contextlib.contextmanager
def ours(count: int) -> Iterator[list[Student]]:
    """A deployed classroom with so many students, signed in."""
    state = Path(run(sys.executable, "-m", "config.settings", "get", "state", "--config", str(CONFIG)))
    was_there = (state / "classroom.env").exists()
    print("make deploy ...", flush=True)
    run("make", "deploy", f"CONFIG={CONFIG}")
    try:
        values = dict(
            line.split("=", 1) for line in (state / "classroom.env").read_text().splitlines() if "=" in line
        )
        values = {key: value.strip("'\"") for key, value in values.items()}
        url = f"http://127.0.0.1:{values['TT_PORT']}{values['TT_BASE_PATH']}"
        given = _enrol(state, count)
        students = [Student(url, f"storm-{number:03}") for number in range(count)]
        for student in students:
            page = student.sign_in(given.get(student.name, PASSWORD))
            if student.name in given:
                student.choose(page)
        yield students
    finally:
        if not was_there:
            run("make", "undeploy", f"CONFIG={CONFIG}", "PURGE=yes")


def _enrol(state: Path, count: int) -> dict[str, str]:
    """Everybody on the roster; the one-time passwords of those who are new."""
    roster = "\n".join(["name,id", *(f"Storm {number},storm-{number:03}" for number in range(count))])
    file = state / "hub" / f"passwords-{secrets.token_hex(4)}.csv"
    run(
        *("ansible/compose.sh", str(CONFIG), "exec", "-T", "hub", "python", "-m", "hub.roster"),
        *("apply", "-", "--passwords", f"/srv/hub/{file.name}"),
        input=roster,
    )
    if not file.exists():
        return {}
    rows = csv.DictReader(io.StringIO(file.read_text("utf-8-sig")))
    return {row["username"]: row["one-time password"] for row in rows}


@contextlib.contextmanager
def plain(count: int, prefix: str, version: str) -> Iterator[list[Student]]:
    """By the book: JupyterHub's and DockerSpawner's own defaults, and the plain image."""
    configuration = PLAIN_HUB.format(password=PASSWORD, image=f"{prefix}/plain:{version}", network=NAME)
    token = secrets.token_hex(32)
    common = (
        "run",
        "--detach",
        "--rm",
        "--label",
        LABEL,
        "--network",
        NAME,
        "--env",
        f"CONFIGPROXY_AUTH_TOKEN={token}",
    )
    run("docker", "network", "create", "--label", LABEL, NAME)
    try:
        chp = "node node_modules/configurable-http-proxy/bin/configurable-http-proxy --api-ip 0.0.0.0"
        run(
            *("docker", *common, "--name", f"{NAME}-proxy", "--publish", f"127.0.0.1:{PLAIN_PORT}:8000"),
            f"{prefix}/proxy:{version}",
            *(*chp.split(), "--default-target", f"http://{NAME}-hub:8081"),
        )
        run(
            *("docker", *common, "--name", f"{NAME}-hub", "--user", "0", "--workdir", "/tmp"),
            *("--volume", "/var/run/docker.sock:/var/run/docker.sock", "--env", f"BOOK={configuration}"),
            f"{prefix}/hub:{version}",
            *("sh", "-c", 'echo "$BOOK" > /tmp/book.py && exec jupyterhub -f /tmp/book.py'),
        )
        url = f"http://127.0.0.1:{PLAIN_PORT}/"
        for _ in range(300):
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{url}hub/health", timeout=5).ok:
                    break
            time.sleep(0.1)
        students = [Student(url, f"storm{number:03}") for number in range(count)]
        for student in students:
            student.sign_in(PASSWORD)
        yield students
    finally:
        found = run("docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()
        if found:
            run("docker", "rm", "--force", *found)
        run("docker", "network", "rm", NAME)


# ---- what is measured ----


def storm(students: list[Student]) -> dict[str, Any]:
    """Everybody clicks at the same moment."""
    before = idle_cpus()
    cpu, wall, own = machine_cpu(), time.monotonic(), time.process_time()
    ready, failures = _clicks(students, lambda number: 0.0)
    cpu, wall, own = machine_cpu() - cpu, time.monotonic() - wall, time.process_time() - own
    idle = (before + idle_cpus()) / 2
    _print(failures)
    return {
        "ready_s": _spread(ready, first=0.0, median=0.5, last=1.0),
        "cpu_s_a_server": round((cpu - own - idle * wall) / max(1, len(ready)), 2),
        "failures": len(failures),
        "other_load_cpus": round(before, 2),
    }


def warm(students: list[Student], seconds: float) -> dict[str, Any]:
    """`make warm` while a kernel works, then everybody clicks within so many seconds."""
    before = idle_cpus()
    students[0].click()
    container = run("docker", "ps", "--quiet", "--filter", f"label=tinytorch.user={students[0].name}")
    quiet = _kernel(container, 10)
    done = threading.Event()
    slow: list[float] = []

    def work() -> None:
        while not done.is_set():
            slow.extend(_kernel(container, 2))

    worker = threading.Thread(target=work)
    worker.start()
    began = time.monotonic()
    said = run("make", "warm", f"CONFIG={CONFIG}")
    warmed = time.monotonic() - began
    done.set()
    worker.join()
    print(said, flush=True)
    chance = random.Random(0)
    arrivals = sorted(chance.uniform(0, seconds) for _ in students)
    ready, failures = _clicks(students, lambda number: arrivals[number])
    _print(failures)
    return {
        "make_warm_s": round(warmed, 1),
        "kernel_ms_before": _spread([1000 * each for each in quiet], p50=0.5, p95=0.95),
        "kernel_ms_meanwhile": _spread([1000 * each for each in slow], p50=0.5, p95=0.95),
        "click_to_lab_s": _spread(ready, p50=0.5, p95=0.95, max=1.0),
        "failures": len(failures),
        "other_load_cpus": round(before, 2),
    }


def _clicks(students: list[Student], when: Callable[[int], float]) -> tuple[list[float], list[str]]:
    """Everybody clicks, each after so many seconds; how long each took, and who got what instead."""
    ready, failures = [], []
    together = threading.Barrier(len(students))

    def click(number: int) -> None:
        together.wait()
        time.sleep(when(number))
        try:
            ready.append(students[number].click())
        except (FailedError, requests.RequestException) as error:
            failures.append(f"{students[number].name}: {error}")

    with ThreadPoolExecutor(len(students)) as threads:
        for outcome in [threads.submit(click, number) for number in range(len(students))]:
            outcome.result()
    return ready, failures


def _kernel(container: str, seconds: int) -> list[float]:
    said = run("docker", "exec", container, "python3", "-c", KERNEL.format(seconds=seconds))
    return [float(line) for line in said.split()]


def _spread(values: list[float], **shares: float) -> dict[str, float]:
    if not values:
        return {}
    if len(values) == 1:
        values = values * 2
    ordered = sorted(values)
    cuts = [ordered[0], *statistics.quantiles(ordered, n=100, method="inclusive"), ordered[-1]]
    return {name: round(cuts[round(100 * share)], 2) for name, share in shares.items()}


def _print(failures: list[str]) -> None:
    for failure in failures:
        print(failure, flush=True)


def warn_of_load() -> None:
    """Say so before it begins if others use the machine."""
    busy = idle_cpus()
    if busy > LOADED:
        print(
            f"Warning: {busy:.1f} CPUs are busy with other things. Wall seconds will say little.", flush=True
        )
