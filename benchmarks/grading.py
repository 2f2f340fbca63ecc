"""What marking one submission costs: ours against nbgrader's autograder, on the same submissions, in one run.

    python benchmarks/grading.py [--module tensor] [--submissions 8] [--image tinytorch/sandbox:0.1.0]
    python benchmarks/grading.py --latency 20      # instead: from `tito submit` to the mark shown

Three ways to mark the same notebooks (every other one right, the rest with one exercise left open):

    ours          the real worker, the real gate, and a throw-away container for each submission
    nbgrader_cli  `nbgrader autograde`, one call a submission, as an instructor or a cron job calls it
    nbgrader_api  NbGraderAPI.autograde in one process that has marked another submission before

CPU seconds of ours are those of the whole machine (/proc/stat: user, nice, system, irq, softirq) less what
it used while idle before and after: so the engine, containerd, its shims, runc, the gate, the worker and
everything in the container count, whoever started them. The gate and worker run as processes here, started
before and warm, as in a classroom. nbgrader's are those of its own processes (getrusage), which leaves out
what the kernel does elsewhere for it.
Other load on the machine shows in `idle_cpus`; above 0.1 the figures of ours are too high or too low.

It needs root, a running engine and the packages of requirements/dev.txt; it removes what it starts. The last
line is the figures as one JSON object.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import latency  # noqa: E402
from grading import database, marks  # noqa: E402
from grading.queue import Queue  # noqa: E402
from grading.store import Store  # noqa: E402
from hub.tests.environment import profiles  # noqa: E402

IDLE_SECONDS = 5
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Mark the same submissions three ways, and print what each cost."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("--module", default="tensor", help="whose notebook (default: tensor, the longest)")
    parser.add_argument("--submissions", type=int, default=8, help="how many (default: 8)")
    parser.add_argument("--image", default="tinytorch/sandbox:0.1.0", help="built if it is not there")
    parser.add_argument("--latency", type=int, help="instead: how often `tito submit` is timed")
    asked = parser.parse_args()
    ensure_image(asked.image)
    with tempfile.TemporaryDirectory(prefix="benchmark-grading-") as name:
        folder = Path(name)
        run([sys.executable, "-m", "course.builder", "--into", str(folder / "course")])
        course = folder / "course" / "discovery"
        notebooks = submissions(course, asked.module, asked.submissions)
        if asked.latency:
            waits = latency.measure(folder, course, asked.image, asked.module, notebooks[0], asked.latency)
            print(json.dumps({"module": asked.module, **asyncio.run(waits)}))
            return
        print(f"{len(notebooks)} submissions of '{asked.module}'")
        figures = {"ours": ours(folder, course, asked.module, notebooks, asked.image)}
        prepare_nbgrader(folder, course, asked.module, notebooks)
        figures["nbgrader_cli"] = nbgrader_cli(folder, course, asked.module, len(notebooks))
        figures["nbgrader_api"] = nbgrader_api(folder, course, asked.module, len(notebooks))
    idle = figures["ours"].pop("idle_cpus")
    for way, figure in figures.items():
        print(f"{way:13} {figure['cpu_s']:6.3f} CPU s  {figure['wall_s']:6.3f} s  {figure['marks']}")
    cpu = {way: figure["cpu_s"] for way, figure in figures.items()}
    result = {
        "module": asked.module,
        "submissions": len(notebooks),
        "cpu_s_per_submission": cpu,
        "wall_s_per_submission": {way: figure["wall_s"] for way, figure in figures.items()},
        "ratio": {way: round(cpu[way] / cpu["ours"], 1) for way in cpu},
        "idle_cpus": idle,
    }
    print(json.dumps(result))


def submissions(course: Path, slug: str, count: int) -> list[dict]:
    """Notebooks as students hand them in."""
    solution = read(course / "instructor" / f"{slug}.ipynb")
    solved = {cell_id(cell): cell["source"] for cell in solution["cells"]}
    handed_in = []
    for number in range(count):
        notebook = read(course / "student" / f"{slug}.ipynb")
        exercises = [cell for cell in notebook["cells"] if role(cell) == "exercise"]
        for place, cell in enumerate(exercises):
            if number % 2 == 0 or place != len(exercises) - 1:
                cell["source"] = solved[cell_id(cell)]
        handed_in.append(notebook)
    return handed_in


def cell_id(cell: dict) -> str:
    return cell["metadata"].get("tinytorch", {}).get("id", "")


def role(cell: dict) -> str:
    return cell["metadata"].get("tinytorch", {}).get("role", "")


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


# Ours


def ours(folder: Path, course: Path, slug: str, notebooks: list[dict], image: str) -> dict:
    """Mark them with the gate and the worker."""
    environment = {
        **os.environ,
        "TT_NAME": "benchmark-grading",
        "TT_STATE": str(folder),
        "TT_STUDENT_IMAGE": image,
        "TT_STUDENT_GPU_IMAGE": image,
        "TT_INTERNET": "none",
        "TT_SANDBOX_IMAGE": image,
        "TT_STUDENTS_NETWORK": "benchmark-grading",
        "TT_PROFILES": profiles(student={"pids": 64}),
        "TT_CEILING_GPUS": "0",
        "TT_CGROUP_STUDENTS": "",
        "TT_SANDBOX_SECONDS": "60",
        "TT_RETRAIN_SECONDS": "600",
        "TT_SANDBOX_MEMORY": "1G",
        "TT_SANDBOX_POOL": "1",
        "TT_GRADING_FOLDER": str(folder / "grading"),
        "TT_GATE_SOCKET": str(folder / "run" / "worker" / "gate.sock"),
        "TT_COURSE": str(course),
        "TT_REFERENCE": str(course / "reference"),
        "TT_PROBES": str(ROOT / "course" / "probes"),
        "TT_OFFICIAL": str(course / "student"),
    }
    for name in ("run", "grading", "homes", "passwd", "gate"):
        (folder / name).mkdir()
    store = Store(folder / "grading" / "submissions")
    store.prepare()
    engine = database.connect(f"sqlite:///{folder / 'grading' / 'grading.db'}")
    queue = Queue(engine)
    gate = [sys.executable, "-m", "hub.gate", "--run", str(folder / "run"), "--srv", str(folder)]
    worker = [sys.executable, "-m", "grading.worker"]
    with started(gate, environment, folder), started(worker, environment, folder):
        warm = hand_in(queue, store, slug, notebooks[:1])
        wait_for(engine, warm)
        before = idle_cpus()
        cpu, wall = machine_cpu(), time.monotonic()
        ids = hand_in(queue, store, slug, notebooks)
        wait_for(engine, ids)
        cpu, wall = machine_cpu() - cpu, time.monotonic() - wall
        idle = (before + idle_cpus()) / 2
    views = [marks.one(engine, id, "student") for id in ids]
    return {
        "cpu_s": round((cpu - idle * wall) / len(ids), 3),
        "wall_s": round(wall / len(ids), 3),
        "idle_cpus": round(idle, 3),
        "marks": [view["score"] for view in views],
    }


def hand_in(queue: Queue, store: Store, slug: str, notebooks: list[dict]) -> list[str]:
    """Put submissions where the API puts them."""
    ids = []
    for notebook in notebooks:
        upload = store.upload(os.urandom(16).hex())
        upload.write(json.dumps({"notebook": notebook}).encode())
        upload.keep()
        queue.add(upload.id, "student", "module", slug, upload.sha256, upload.size)
        ids.append(upload.id)
    return ids


def wait_for(engine: object, ids: list[str]) -> None:
    """Wait until all are marked."""
    deadline = time.monotonic() + 60 + 20 * len(ids)
    for id in ids:
        while (view := marks.one(engine, id, "student"))["state"] != "graded":
            if view["state"] == "failed" or time.monotonic() > deadline:
                sys.exit(f"A submission was not marked: {view['state']} {view['notes']}")
            time.sleep(0.1)


@contextlib.contextmanager
def started(command: list[str], environment: dict[str, str], folder: Path):
    """A process that runs meanwhile; what it said is shown if it ended by itself."""
    log = folder / f"{command[2]}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=file, stderr=file)
        time.sleep(2)
        try:
            if process.poll() is not None:
                sys.exit(f"{command[2]} did not start:\n{log.read_text()}")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def machine_cpu() -> float:
    """CPU seconds that the whole machine has used."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS


def idle_cpus() -> float:
    """CPUs that are busy while nothing of ours is."""
    cpu, wall = machine_cpu(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (machine_cpu() - cpu) / (time.monotonic() - wall)


def ensure_image(image: str) -> None:
    """Build one of our images if the engine does not have it."""
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode:
        prefix, _, rest = image.rpartition("/")
        name, _, version = rest.partition(":")
        run([str(ROOT / "images" / "build.sh"), prefix, version, name])


# nbgrader


def nbgrader_environment(folder: Path, course: Path) -> dict[str, str]:
    """As an instructor's shell: nbgrader on PATH, and the course's package for the notebooks' imports."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(course / "reference"),
        "HOME": str(folder / "nbgrader"),
        "OPENBLAS_NUM_THREADS": "1",
    }


def prepare_nbgrader(folder: Path, course: Path, slug: str, notebooks: list[dict]) -> None:
    """A course of nbgrader's, with the assignment made and everything handed in."""
    root = folder / "nbgrader"
    write(root / "source" / slug / f"{slug}.ipynb", read(course / "instructor" / f"{slug}.ipynb"))
    for number, notebook in enumerate([*notebooks, notebooks[0]]):  # one more, for the warm-up
        write(root / "submitted" / f"student{number}" / slug / f"{slug}.ipynb", notebook)
    (root / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'course'\n")
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", slug, f"--course-dir={root}"]
    run(command, env=nbgrader_environment(folder, course), cwd=root)


def nbgrader_cli(folder: Path, course: Path, slug: str, count: int) -> dict:
    """One call of the command for each submission."""
    root = folder / "nbgrader"
    environment = nbgrader_environment(folder, course)
    costs = []
    for number in range(count):
        cpu, wall = children_cpu(), time.monotonic()
        command = [sys.executable, "-m", "nbgrader", "autograde", slug, f"--student=student{number}"]
        run([*command, f"--course-dir={root}"], env=environment, cwd=root)
        costs.append((children_cpu() - cpu, time.monotonic() - wall))
    return {**medians(costs), "marks": nbgrader_marks(root, slug, count)}


WARM = """
import json, os, resource, sys, time
from traitlets.config import Config
from nbgrader.apps import NbGraderAPI

def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)

root, slug, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
config = Config()
config.CourseDirectory.root = root
config.CourseDirectory.course_id = "course"
api = NbGraderAPI(config=config)
costs = []
for number in [count, *range(count)]:
    before, wall = cpu(), time.monotonic()
    result = api.autograde(slug, f"student{number}", force=True)
    if not result["success"]:
        sys.exit(result["log"])
    costs.append((cpu() - before, time.monotonic() - wall))
print(json.dumps(costs[1:]))
"""


def nbgrader_api(folder: Path, course: Path, slug: str, count: int) -> dict:
    """One process that has been warmed up with another submission."""
    root = folder / "nbgrader"
    command = [sys.executable, "-c", WARM, str(root), slug, str(count)]
    said = run(command, env=nbgrader_environment(folder, course), cwd=root)
    costs = [tuple(cost) for cost in json.loads(said.splitlines()[-1])]
    return {**medians(costs), "marks": nbgrader_marks(root, slug, count)}


def nbgrader_marks(root: Path, slug: str, count: int) -> list[float]:
    """What nbgrader gave."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as book:
        return [book.find_submission(slug, f"student{number}").score for number in range(count)]


def medians(costs: list[tuple[float, float]]) -> dict:
    cpu, wall = zip(*costs, strict=True)
    return {"cpu_s": round(statistics.median(cpu), 3), "wall_s": round(statistics.median(wall), 3)}


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write(path: Path, notebook: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")


def run(command: list[str], env: dict[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Run a command that must succeed; what it printed."""
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
