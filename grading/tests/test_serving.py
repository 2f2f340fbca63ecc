"""Several processes behind one socket: a killed one is replaced, and nobody is refused meanwhile."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from grading.api.signing_in import SharedSignIn

# What the API does, with nothing behind it: each answer names the process that gave it.
SERVER = """
import asyncio, os, sys, tempfile
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
from prometheus_client import CollectorRegistry
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from grading.api import figures
from grading.api.serving import prefork, until_stopped
from grading.metrics import ApiMetrics

class NoQueue:
    def waiting(self):
        return 3, 1.0

def serve(alive):
    metrics = ApiMetrics(NoQueue())
    class Answer(RequestHandler):
        def get(self):
            metrics.receipts.labels("module").inc()
            self.finish(str(os.getpid()))
    servers = [(HTTPServer(Application([("/", Answer)])), doors)]
    servers.append((figures.server(metrics.registry), counters))
    asyncio.run(until_stopped(servers, alive))

doors, counters = bind_sockets(0, "127.0.0.1", backlog=64), bind_sockets(0, "127.0.0.1")
print(doors[0].getsockname()[1], counters[0].getsockname()[1], flush=True)
prefork(2, serve, bury=lambda pid: print("buried", pid, flush=True))
"""


def ask(port, path="/"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.read().decode()


def servers(process):
    """The processes that serve now."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def count(port):
    lines = ask(port, "/metrics").splitlines()
    return next(
        float(line.split()[-1]) for line in lines if line.startswith('grading_receipts_total{kind="mo')
    )


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")
    except OSError:
        return True


def wait_until(happened):
    for _ in range(200):
        if happened():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen within 10 s")


@pytest.fixture
def running(tmp_path):
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        doors, counters = map(int, process.stdout.readline().split())
        ask(doors)
        yield process, doors, counters
        process.kill()


def test_killed_server_is_replaced_and_its_figures_stay(running):
    process, doors, counters = running
    for _ in range(20):
        ask(doors)
    for pid in servers(process):
        os.kill(pid, signal.SIGKILL)
    answered = [int(ask(doors)) for _ in range(10)]  # nobody is refused, not even while none is there
    wait_until(lambda: len(servers(process)) == 2)
    assert set(answered) <= set(servers(process))
    assert count(counters) == 31
    figures = ask(counters, "/metrics").splitlines()
    assert [line for line in figures if line.startswith("grading_queue_depth")] == ["grading_queue_depth 3.0"]


def test_told_to_stop_all_end_at_once_and_without_fault(running):
    process, doors, _ = running
    pids = servers(process)
    idle = socket.create_connection(("127.0.0.1", doors))  # who is connected holds up nobody
    process.terminate()
    assert process.wait(20) == 0
    assert all(gone(pid) for pid in pids)
    idle.close()


def test_servers_do_not_outlive_their_parent(running):
    process, _, _ = running
    pids = servers(process)
    process.kill()
    process.wait(20)
    wait_until(lambda: all(gone(pid) for pid in pids))


def test_any_process_can_finish_a_sign_in():
    options = {"api_token": "secret", "base_url": "/services/grading/", "oauth_client_id": "service-grading"}
    one, other = (SharedSignIn(**options) for _ in range(2))
    state = one.generate_state("/services/grading/class", code_verifier="secret half", cookie_name="a")
    assert other.get_next_url(state) == "/services/grading/class"
    assert other.get_code_verifier(state) == "secret half"
    assert other.get_state_cookie_name(state) == "a"
    assert "secret" not in state


@pytest.mark.parametrize("state", ["", "nonsense", "e30=", json.dumps({"next_url": "https://elsewhere"})])
def test_nobody_can_make_up_where_a_sign_in_leads(state):
    options = {"api_token": "secret", "base_url": "/services/grading/", "oauth_client_id": "service-grading"}
    assert SharedSignIn(**options).get_next_url(state) == "/services/grading/"
