"""How the gate reads a request: whole, once, with one meaning. What has two meanings is refused."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import MultiMapping

log = logging.getLogger("gate")


class Refused(Exception):  # noqa: N818 - a decision, not a fault
    """The gate says no. The text is one sentence for whoever sent the request."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def json_object(text: bytes) -> dict[str, Any]:
    """The JSON object in `text`. A key given twice is refused: the engine might mean the other one."""
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Refused(400, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise Refused(400, "The body is not a JSON object.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Refused(400, f"The body has the key {key!r} twice.")
        found[key] = value
    return found


def query(given: MultiMapping[str], known: set[str]) -> Mapping[str, str]:
    """The parameters of a request, each at most once and only `known` ones."""
    for name in given:
        if name not in known:
            raise Refused(403, f"The gate has no parameter {name!r} here.")
        if len(given.getall(name)) > 1:
            raise Refused(400, f"The parameter {name!r} is given twice.")
    return dict(given)


def flag(text: str) -> bool:
    """A true-or-false parameter, in the spellings that docker-py and the docker command use."""
    match text.lower():
        case "1" | "true":
            return True
        case "" | "0" | "false":
            return False
    raise Refused(400, f"{text!r} is neither true nor false.")


def sentences(key: str) -> Middleware:
    """Turn whatever stops a request into one sentence, for the log and, under `key`, for the caller."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            status, sentence = refused.status, str(refused)
        except web.HTTPNotFound:
            status, sentence = 403, f"The gate has no call {request.method} {request.path!r}."
        except web.HTTPException as error:
            status, sentence = error.status, f"{request.method} {request.path!r}: {error.reason}."
        log.warning("%s %r: %s %s", request.method, request.path, status, sentence)
        return web.json_response({key: sentence}, status=status)

    return middleware
