"""GET openapi.json: the description of the API, for programs (OpenAPI 3.1).

It is made from the routes that are there: the path's parameters are the arguments of the methods that
answer, what may stand in the query is what their docstrings name ('?page='), and who may ask is said by the
class. So it cannot name what is not there, nor leave anything out; what the code does not say stands in
BODIES and ANSWERS.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any

from tornado.web import Application, RequestHandler

from grading.api.handlers import ApiHandler, Handler, MissingHandler

METHODS = ("get", "post", "put", "patch", "delete")
QUERY = re.compile(r"[?&](\w+)=")
GROUP = re.compile(r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
OPTIONAL = re.compile(r"\(\?:[^()]*\)\?")  # an address that has a longer form, too
PAGES = "The pages for people are not part of this description."

TEXT = {"type": "string"}
NUMBER = {"type": ["number", "null"]}
MOMENT = {"type": "string", "format": "date-time"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string", "description": "One sentence."}},
    },
    "Receipt": {
        "type": "object",
        "required": ["id", "kind", "slug", "sha256", "received_at"],
        "properties": {"id": TEXT, "kind": TEXT, "slug": TEXT, "sha256": TEXT, "received_at": MOMENT},
    },
    "Submission": {
        "type": "object",
        "required": ["id", "kind", "slug", "state", "sha256", "received_at", "score", "max_score", "checks"],
        "properties": {
            "id": TEXT,
            "kind": TEXT,
            "slug": TEXT,
            "state": {"enum": ["queued", "grading", "graded", "failed", "kept"]},
            "sha256": TEXT,
            "received_at": MOMENT,
            "score": NUMBER,
            "max_score": NUMBER,
            "passed": {"type": ["boolean", "null"]},
            "checks": {"type": "array", "items": {"$ref": "#/components/schemas/Check"}},
            "notes": {"type": "array", "items": TEXT},
        },
    },
    "Check": {
        "type": "object",
        "required": ["check", "points", "max_points", "reasons"],
        "properties": {
            "check": TEXT,
            "points": {"type": "number"},
            "max_points": {"type": "number"},
            "reasons": {"type": "array", "items": TEXT},
        },
    },
    "Attempt": {
        "type": "object",
        "required": ["id", "received_at", "state", "public", "private", "verified", "passed"],
        "properties": {
            "id": TEXT,
            "received_at": MOMENT,
            "state": TEXT,
            "public": {**NUMBER, "description": "Share of the public hidden samples that are right, 0 to 1."},
            "private": {**NUMBER, "description": "The same of the private ones; null while it is not shown."},
            "verified": {"type": "boolean"},
            "passed": {"type": ["boolean", "null"]},
            "reason": {"type": ["string", "null"]},
            "notes": {"type": "array", "items": TEXT},
            "seconds": NUMBER,
            "cost": {
                "type": "object",
                "properties": {"sandbox_seconds": NUMBER, "weights": {"type": ["integer", "null"]}},
            },
        },
    },
    "Milestones": {
        "type": "object",
        "required": ["student", "milestones"],
        "properties": {
            "student": TEXT,
            "milestones": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["slug", "needed", "attempts"],
                    "properties": {
                        "slug": TEXT,
                        "title": TEXT,
                        "points": {"type": "number"},
                        "needed": {"type": "number"},
                        "due": {"type": ["string", "null"]},
                        "private_shown": {"type": "boolean"},
                        "passed": {"type": "boolean"},
                        "attempts_left": {"type": ["integer", "null"]},
                        "attempts_left_today": {"type": ["integer", "null"]},
                        "attempts": {"type": "array", "items": {"$ref": "#/components/schemas/Attempt"}},
                    },
                },
            },
        },
    },
}
JSON, CSV, ZIP = "application/json", "text/csv", "application/zip"
# What is sent, by path and method; JSON where nothing is said.
BODIES = {("api/exports/canvas", "post"): CSV}
# The status and schema of what is answered; 200 and any JSON where nothing is said.
ANSWERS = {
    ("api/submissions/{kind}/{slug}", "post"): (201, "Receipt"),
    ("api/submissions/{id}", "get"): (200, "Submission"),
    ("api/milestones", "get"): (200, "Milestones"),
    ("api/milestones/retrain/{id}", "post"): (202, None),
}


class OpenApiHandler(Handler):
    """GET openapi.json: this description. It tells nothing that is secret, so it asks for no token."""

    async def get(self) -> None:
        """The whole of it."""
        self.set_header("Content-Type", JSON)
        self.finish(document(self.application, self.service.settings.prefix))


@cache
def document(app: Application, prefix: str) -> dict[str, Any]:
    """The description of an application's API.

    Args:
        prefix: where the service lives; paths are relative to it.
    """
    paths: dict[str, dict[str, Any]] = {}
    for pattern, handler in routes(app, prefix):
        for method in METHODS:
            function = getattr(handler, method)
            if function is not getattr(RequestHandler, method):
                path, parameters = _path(pattern, function)
                said = _operation(path, method, handler, function, parameters)
                paths.setdefault(f"/{path}", {})[method] = said
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The grading API",
            "version": "1",
            "description": f"Who asks is told by a hub token in the header Authorization. {PAGES}",
        },
        "servers": [{"url": prefix.rstrip("/")}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "The word 'token', a space, and a hub token: JUPYTERHUB_API_TOKEN.",
                }
            },
        },
    }


def routes(app: Application, prefix: str) -> list[tuple[str, type[RequestHandler]]]:
    """The API's regular expressions below the prefix, and who answers."""
    base = re.escape(prefix)
    found = []
    for rule in app.wildcard_router.rules:
        matcher: Any = rule.matcher  # tornado's PathMatches
        pattern, handler = matcher.regex.pattern.removeprefix(base).removesuffix("$"), rule.target
        pattern = OPTIONAL.sub("", pattern)
        if pattern.startswith(("api/", "health")) and handler is not MissingHandler:
            found.append((pattern, handler))
    return found


def _path(pattern: str, function: Any) -> tuple[str, list[dict[str, Any]]]:
    """A route as a template, and the parameters in it: its groups, named as the method's arguments."""
    names = iter([name for name in inspect.signature(function).parameters if name != "self"])
    parameters: list[dict[str, Any]] = []

    def named(match: re.Match[str]) -> str:
        name, inside = next(names), match[1]
        choice = re.fullmatch(r"\w+(?:\|\w+)+", inside)
        schema = {"enum": inside.split("|")} if choice else {"type": "string", "pattern": f"^{inside}$"}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
        return f"{{{name}}}"

    return GROUP.sub(named, pattern).replace("\\", ""), parameters


def _operation(
    path: str, method: str, handler: type[RequestHandler], function: Any, parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    told = inspect.cleandoc(function.__doc__ or "")
    about = inspect.cleandoc(handler.__doc__ or "").split("\n")[0]
    # A class may answer several methods; of its docstring what follows this one's name is about it.
    named = re.findall(rf"{method.upper()} [^\s,:;]+", inspect.cleandoc(handler.__doc__ or ""))
    asked = dict.fromkeys(QUERY.findall(" ".join([*named, told])))
    query = [{"name": name, "in": "query", "schema": TEXT} for name in asked]
    status, schema = ANSWERS.get((path, method), (200, None))
    kind = {"csv": CSV, "zip": ZIP}.get(path.rpartition(".")[2], JSON)
    answer = {"$ref": f"#/components/schemas/{schema}"} if schema else {}
    error = {"content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}}
    words = re.sub(r"\W+", " ", path.removeprefix("api/")).strip().replace(" ", "_")
    said: dict[str, Any] = {
        "operationId": f"{method}_{words}",
        "summary": about,
        "description": told,
        "parameters": [*parameters, *query],
        "responses": {
            str(status): {"description": "Done.", "content": {kind: {"schema": answer} if answer else {}}},
            "default": {"description": "It was refused or failed; the answer says why.", **error},
        },
    }
    if issubclass(handler, ApiHandler):
        said["security"] = [{"token": []}]
    if method in ("post", "put", "patch"):
        said["requestBody"] = {"content": {BODIES.get((path, method), JSON): {}}}
    return said


ROUTES: list[tuple[Any, ...]] = [(r"api/openapi\.json", OpenApiHandler)]
