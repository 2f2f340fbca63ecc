"""`tito ask`: one question to the grading service, as whoever runs it. For what has no command of its own."""

from __future__ import annotations

import json

from course.tito import TitoError, api


def ask(path: str, message: str | None, delete: bool) -> int:
    """Print the service's answer as JSON."""
    if message is not None:
        try:
            json.loads(message)
        except ValueError as error:
            raise TitoError(
                f"The message is no JSON ({error}). Put single quotes around all of it."
            ) from None
    answer = api.ask(path, None if message is None else message.encode(), method="DELETE" if delete else None)
    print(json.dumps(answer, indent=1, ensure_ascii=False))
    return 0
