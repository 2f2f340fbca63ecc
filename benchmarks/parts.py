"""The grading service's parts as processes of this machine: what the benchmarks of the whole service run on.

API, workers, recorder, gate, containers and PostgreSQL are the real ones, started as docker-compose.yml
starts them. A stand-in for the hub knows a token for everybody: `token-NAME`. What ends is started again, as
the engine does with a container.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from aiohttp import web

from hub.tests.environment import profiles

ROOT = Path(__file__).resolve().parent.parent
URL = "http://127.0.0.1:8300/services/grading/"
SCOPE = "access:services!service=grading"
PASSWORD = "benchmark"  # of a database that lives as long as this runs, on a socket in root's folder
RESTART_SECONDS = 0.1  # the engine's own pause before the first restart
STOP_SECONDS = 30


class Kept:
    """A process that is started again when it ends."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path, alone: bool) -> None:
        # Each in a network of its own, as a container has: their ports for Prometheus are the same.
        self.command = ["unshare", "--net", *command] if alone else command
        self.environment = environment
        self.log = log
        self.stopping = False
        self.process = self._start()
        self.thread = threading.Thread(target=self._keep, daemon=True)
        self.thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as file:
            return subprocess.Popen(
                self.command, env=self.environment, cwd=ROOT, stdout=file, stderr=file, start_new_session=True
            )

    def _keep(self) -> None:
        while True:
            self.process.wait()
            if self.stopping:
                return
            time.sleep(RESTART_SECONDS)
            self.process = self._start()

    def kill(self) -> None:
        """End it without warning."""
        self.process.kill()

    def stop(self) -> None:
        """End it for good."""
        self.stopping = True
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        self.thread.join(STOP_SECONDS)
        if self.thread.is_alive():
            self.process.kill()


class Parts:
    """Everything that grades, with all state in one folder."""

    def __init__(self, folder: Path, course: Path, image: str, workers: int, database: str) -> None:
        self.folder, self.image, self.workers, self.database = folder, image, workers, database
        self.database_url = f"sqlite:///{folder}/grading/grading.db"
        self.gradebook_url = f"sqlite:///{folder}/grading/nbgrader/gradebook.db"
        if database == "postgresql":
            at = f"?host={folder}/run/postgresql"
            self.database_url = f"postgresql+psycopg://grading:{PASSWORD}@/grading{at}"
            self.gradebook_url = f"postgresql+psycopg://gradebook:{PASSWORD}@/gradebook{at}"
        for name in (
            "run/postgresql",
            "postgresql",
            "grading/nbgrader",
            "calendar/public",
            "homes",
            "passwd",
            "gate",
        ):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.environment = {
            **os.environ,
            "TT_NAME": "benchmark-rush",
            "TT_STATE": str(folder),
            "TT_STUDENT_IMAGE": image,
            "TT_STUDENT_GPU_IMAGE": image,
            "TT_INTERNET": "none",
            "TT_SANDBOX_IMAGE": image,
            "TT_STUDENTS_NETWORK": "benchmark-rush",
            "TT_PROFILES": profiles(student={"pids": 64}),
            "TT_CEILING_GPUS": "0",
            "TT_CGROUP_STUDENTS": "",
            "TT_SANDBOX_SECONDS": "60",
            "TT_RETRAIN_SECONDS": "600",
            "TT_SANDBOX_MEMORY": "1G",
            "TT_SANDBOX_POOL": str(workers),
            "TT_ADMIN": "ada",
            "TT_GRADING_FOLDER": str(folder / "grading"),
            "TT_CALENDAR_FOLDER": str(folder / "calendar"),
            "TT_DATABASE_URL": self.database_url,
            "TT_GRADEBOOK_URL": self.gradebook_url,
            "TT_GATE_SOCKET": str(folder / "run" / "worker" / "gate.sock"),
            "TT_COURSE": str(course),
            "TT_REFERENCE": str(course / "reference"),
            "TT_PROBES": str(ROOT / "course" / "probes"),
            "TT_OFFICIAL": str(course / "student"),
            "TT_INSTRUCTOR": str(course / "instructor"),
            "JUPYTERHUB_API_TOKEN": "benchmark",
            "JUPYTERHUB_SERVICE_NAME": "grading",
            "JUPYTERHUB_SERVICE_PREFIX": "/services/grading/",
            "JUPYTERHUB_CLIENT_ID": "service-grading",
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([SCOPE]),
        }
        self.running: dict[str, list[Kept]] = {}

    @contextlib.asynccontextmanager
    async def started(self, *names: str):
        """Run these parts (gate, api, worker, recorder), the database and the stand-in for the hub."""
        hub = await self._start_hub()
        try:
            if self.database == "postgresql":
                self._start_postgresql()
            for name in names:
                self.start(name)
            yield self
        finally:
            for name in reversed(names):
                for kept in self.running.pop(name, []):
                    kept.stop()
            if self.database == "postgresql":
                docker("rm", "--force", "benchmark-rush-postgresql")
            await hub.cleanup()

    def start(self, name: str) -> None:
        """Start a part: all of its processes."""
        python = [sys.executable, "-m"]
        command = [*python, f"grading.{name}"]
        if name == "gate":
            command = [*python, "hub.gate", "--run", str(self.folder / "run"), "--srv", str(self.folder)]
        count = self.workers if name == "worker" else 1
        logs = [self.folder / f"{name}-{number}.log" for number in range(count)]
        alone = name in ("worker", "recorder")
        self.running[name] = [Kept(command, self.environment, log, alone) for log in logs]

    def servers(self) -> list[int]:
        """The API's serving processes."""
        parent = self.running["api"][0].process.pid
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]

    def kill_servers(self) -> int:
        """Kill all serving processes of the API at once; how many those were."""
        pids = self.servers()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return len(pids)

    def said(self, name: str) -> str:
        """What all processes of a part have written to their logs."""
        return "".join(log.read_text() for log in sorted(self.folder.glob(f"{name}-*.log")))

    def _start_postgresql(self) -> None:
        image = self.image.replace("/sandbox:", "/postgresql:")
        for name in ("postgresql", "run/postgresql"):
            shutil.chown(self.folder / name, 1006, 1006)
        mounts = [
            f"{self.folder}/postgresql:/srv/postgresql",
            f"{self.folder}/run/postgresql:/run/postgresql",
        ]
        passwords = [f"TT_{name}_PASSWORD={PASSWORD}" for name in ("POSTGRESQL", "GRADEBOOK")]
        words = [word for mount in mounts for word in ("--volume", mount)]
        words += [word for password in passwords for word in ("--env", password)]
        name = ["--name", "benchmark-rush-postgresql"]
        docker(
            "run",
            "--detach",
            "--network",
            "none",
            "--init",
            "--read-only",
            "--tmpfs",
            "/tmp",
            *name,
            *words,
            image,
        )

    async def _start_hub(self) -> web.AppRunner:
        async def user(request: web.Request) -> web.Response:
            name = request.headers["Authorization"].removeprefix("token token-")
            return web.json_response(
                {"name": name, "kind": "user", "admin": False, "groups": [], "scopes": [SCOPE]}
            )

        app = web.Application()
        app.router.add_get("/hub/api/user", user)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.environment["JUPYTERHUB_API_URL"] = f"http://127.0.0.1:{port}/hub/api"
        return runner


def docker(*words: str) -> None:
    """Run docker; its words go to the benchmark's reader if it fails."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode and words[0] != "rm":
        sys.exit(f"docker {words[0]} failed: {done.stderr}")
