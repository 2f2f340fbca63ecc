"""What happens when grading is told of a roster, and when it cannot be."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from hub.roster import __main__ as command
from hub.roster.grading_api import AT_ONCE, Grading, GradingError
from hub.roster.reading import Person
from hub.roster.tests.test_applying import HubInMemory


class Service(BaseHTTPRequestHandler):
    told: ClassVar[list[dict[str, Any]]] = []
    status = 204

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Authorization"] == "token secret"
        self.told.append(message)
        self.send_response(self.status)
        body = b"" if self.status == 204 else b'{"error": "Not today."}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def service() -> Iterator[str]:
    Service.told, Service.status = [], 204
    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def person(number: int) -> Person:
    return Person(f"s{number}", "Al", "", "A", "student", f"S{number}")


def test_large_class_is_told_in_portions_and_the_last_says_so(service: str) -> None:
    Grading(service, "secret").tell([person(n) for n in range(2 * AT_ONCE + 1)], True)
    assert [len(message["people"]) for message in Service.told] == [AT_ONCE, AT_ONCE, 1]
    assert [message["complete"] for message in Service.told] == [False, False, True]
    assert len({message["at"] for message in Service.told}) == 1
    Grading(service, "secret").tell([person(1)], False)
    assert not Service.told[-1]["complete"], "a part of a class sends nobody away"


def test_refusal_of_the_service_is_told_in_its_own_words(service: str) -> None:
    Service.status = 403
    with pytest.raises(GradingError, match=r"^Not today\.$"):
        Grading(service, "secret").tell([person(1)], False)


def test_roster_is_in_force_when_grading_is_away_and_says_to_apply_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = HubInMemory()
    monkeypatch.setattr(command, "Hub", lambda *_: hub)
    monkeypatch.setenv("TT_ROSTER_TOKEN", "secret")
    (tmp_path / "class.csv").write_text("name,id\nMia,s1\n")
    arguments = ["apply", str(tmp_path / "class.csv"), "--passwords", str(tmp_path / "p.csv")]
    arguments += ["--store", str(tmp_path / "accounts.sqlite"), "--grading", "http://127.0.0.1:1"]
    assert command.main(arguments) == 1
    assert hub.users["s1"] == {"role-student"}
    said = capsys.readouterr()
    assert said.out.startswith("1 added")
    assert "grading was not told: it does not answer" in said.err
    assert said.err.endswith("Apply it again later.\n")
