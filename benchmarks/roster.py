"""What a roster costs: a class of a thousand from a CSV, on a real hub of its own.

A file with twenty bad lines first, which must change nothing; then the thousand; the same again; a hundred
moved; fifty who left; the same again. The hub is JupyterHub with the classroom's configuration, without
containers and without grading, which the whole of `make roster` tells at its end.
"""

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hub.accounts import passwords  # noqa: E402 - the repository's root is not on the path before
from hub.accounts.store import Store  # noqa: E402
from hub.roster import __main__ as roster  # noqa: E402
from hub.tests.alone import running  # noqa: E402
from hub.tests.environment import environment  # noqa: E402

BAD = (
    "=1+1,a,,,", "@x,b,,,", "Mia,-c,,,", "Mia,s 4,,,", "Mia,s\u202e5 x,,,", ",s6,,,", "Mia,,,,",
    "Mia,s8,,,boss", "Mia,s9,nobody,,", "Mia,s10", "Mia,s11,,,,,", '"Mia,s12,,,',
    '"M"ia,s13,,,', '"Mia\n",s14,,,', "Mia,N0101,,,",
    "Mia,n0102\u200f,,,", f"{'x' * 300},s17,,,", "Mia,=cmd|x,,,", "Mia,classroom-probe,,,", "Mia,s20,a@b,,",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1000)
    count = parser.parse_args().people
    good = [f"Student {n:04},n{n:04},n{n:04}@example.edu,S{n % 10},student" for n in range(count)]
    with_bad = good[len(BAD) :]
    for place, line in enumerate(BAD):
        with_bad.insert(place * (len(with_bad) // len(BAD)), line)
    os.environ["TT_ROSTER_TOKEN"] = environment()["TT_ROSTER_TOKEN"]
    figures: dict[str, object] = {"people": count}
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        with running(state) as url:
            figures["load_before"] = round(os.getloadavg()[0], 1)
            store = Store(state / "accounts.sqlite")
            before = store.everyone()
            seconds, said = apply(state, url, with_bad)
            lines = {sentence.split()[1].rstrip(",:") for sentence in said if sentence.startswith("line ")}
            figures |= {"bad_lines_named": len(lines), "refused_s": seconds}
            figures["nothing_changed"] = store.everyone() == before and not (state / "passwords.csv").exists()
            moved = [line.replace(",S1,", ",S2,") for line in good]
            for name, table, whole in (
                ("added_s", good, False),
                ("again_s", good, False),
                ("moved_s", moved, False),
                ("left_s", moved[50:], True),
                ("back_s", moved, False),
            ):
                before_it = cpu_seconds(state)
                seconds, said = apply(state, url, table, whole)
                figures[name] = seconds
                figures[f"cpu_{name}"] = round(cpu_seconds(state) - before_it, 1)
                print(f"{name}: {seconds} s, CPU {figures[f'cpu_{name}']} s. {said[0]}")
    spent = os.times()  # the hub has ended, and counts
    figures["cpu_s_in_all"] = round(sum(spent[:4]), 1)
    began = time.process_time()
    for _ in range(20):
        passwords.hashed_one_time(passwords.one_time())
    figures["hash_cpu_ms"] = round((time.process_time() - began) * 50, 1)
    print(json.dumps(figures))
    return 0


def cpu_seconds(state: Path) -> float:
    """What the hub and this process have computed so far."""
    fields = Path("/proc", (state / "pid").read_text(), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + time.process_time()


def apply(state: Path, hub: str, lines: list[str], whole: bool = False) -> tuple[float, list[str]]:
    """Apply a roster; how long that took, and what was said."""
    table = state / "class.csv"
    table.write_text("\n".join(["name,id,email,section,role", *lines]) + "\n")
    command = ["apply", str(table), "--passwords", str(state / "passwords.csv"), "--hub", hub + "api"]
    command += ["--store", str(state / "accounts.sqlite"), "--grading", "http://127.0.0.1:9"]
    said = io.StringIO()
    began = time.monotonic()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        roster.main(command + ["--whole"] * whole)
    return round(time.monotonic() - began, 2), said.getvalue().splitlines()


if __name__ == "__main__":
    sys.exit(main())
