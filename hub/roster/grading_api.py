"""Telling the grading service who is in the class: names for its lists, sections for extensions."""

import time
from collections.abc import Sequence

import requests

from hub.roster.reading import Person

AT_ONCE = 50  # people in one message: it stays below what the service holds in memory


class GradingError(Exception):
    """The grading service was not told; the text says why."""


class Grading:
    """The grading API. `url` ends in /services/grading/api."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # as for the hub
        self._session.headers["Authorization"] = f"token {token}"

    def tell(self, people: Sequence[Person], whole: bool) -> None:
        """Tell everybody's name and place.

        Args:
            whole: whoever is not among them has left; their marks stay.

        Raises:
            GradingError: the service does not answer, or does not take it.
        """
        at = time.time()
        for start in range(0, len(people), AT_ONCE):
            some = people[start : start + AT_ONCE]
            complete = whole and start + AT_ONCE >= len(people)
            self._post({"people": [_row(person) for person in some], "at": at, "complete": complete})

    def _post(self, message: object) -> None:
        try:
            answer = self._session.post(f"{self.url}/people", json=message, timeout=60)
        except requests.RequestException as error:
            reason = "it takes too long" if isinstance(error, requests.Timeout) else "it does not answer"
            raise GradingError(f"{reason} at {self.url}.") from error
        if not answer.ok:
            raise GradingError(_reason(answer))


def _row(person: Person) -> dict[str, str]:
    return {
        "name": person.username,
        "full_name": person.name,
        "number": person.number,
        "email": person.email,
        "section": person.section,
        "role": person.role,
    }


def _reason(answer: requests.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"it answers with status {answer.status_code}."
