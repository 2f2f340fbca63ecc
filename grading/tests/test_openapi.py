"""The description of the API: it is whole, well formed, and says what is there."""

import json
import re

import jsonschema
import pytest

from grading.api.app import ANSWERED_BY
from grading.api.openapi import METHODS


@pytest.fixture
async def document(api):
    answer = await api.ask("api/openapi.json", token=None)
    assert answer.code == 200
    return json.loads(answer.body)


def api_routes():
    all_routes = [
        (path.replace("(?:api/)?", ""), *rest) for module in ANSWERED_BY for path, *rest in module.ROUTES
    ]
    return [route for route in all_routes if route[0].startswith(("api/", "health"))]


async def test_every_route_is_described_and_nothing_else_is(document):
    described = {path.removeprefix("/"): set(item) for path, item in document["paths"].items()}
    for pattern, handler, *_ in api_routes():
        shape = re.compile(re.sub(r"\([^()]*(?:\([^()]*\)[^()]*)*\)", r"\\{\\w+\\}", pattern))
        methods = {
            m for m in METHODS if m in vars(handler) or any(m in vars(b) for b in handler.__mro__[1:-2])
        }
        found = [path for path in described if shape.fullmatch(path)]
        assert found, f"{pattern} is not described"
        assert set().union(*(described[path] for path in found)) >= methods & {"get", "post", "put", "delete"}
        for path in found:
            described[path] -= methods
    assert {path: left for path, left in described.items() if left} == {}


async def test_every_operation_says_what_it_is_and_names_its_parameters(document):
    seen = set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["operationId"] not in seen, where
            seen.add(operation["operationId"])
            in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path)), where
            assert len(operation["parameters"]) == len(
                {(p["in"], p["name"]) for p in operation["parameters"]}
            )
            assert operation["responses"], where
            for parameter in operation["parameters"]:
                jsonschema.Draft202012Validator.check_schema(parameter["schema"])
            for response in operation["responses"].values():
                assert response["description"], where


async def test_every_reference_leads_somewhere_and_every_schema_is_one(document):
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference
    assert document["openapi"] == "3.1.0"
    assert set(document) <= {"openapi", "info", "servers", "paths", "components"}
    assert {"title", "version"} <= set(document["info"])


async def test_answers_are_as_described(api, document):
    schema = {**document["components"]["schemas"]["Receipt"], "components": document["components"]}
    status, receipt = await api.hand_in()
    assert status == 201
    jsonschema.validate(receipt, schema)
    for name, path in (("Submission", f"api/submissions/{receipt['id']}"), ("Milestones", "api/milestones")):
        status, answer = await api.json(path)
        assert status == 200
        jsonschema.validate(
            answer, {**document["components"]["schemas"][name], "components": document["components"]}
        )


async def test_what_asks_for_a_token_says_so(document):
    free = {
        path
        for path, item in document["paths"].items()
        for operation in item.values()
        if "security" not in operation
    }
    assert free == {"/api/openapi.json", "/health"}
