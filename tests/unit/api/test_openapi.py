"""Our document: valid, whole, and a superset of Replicate's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest

from hearth.api import openapi
from hearth.api.routes import ROUTES

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "openapi.json"


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.removeprefix("x-"), re.sub(r"\{[^}]*\}", "{}", path), operation


def shared(have: dict[str, Any], theirs: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Operations of both; `test_no_operation_is_missing` tells of the others."""
    for _, _, operation in operations(theirs):
        if operation["operationId"] in have:
            yield operation["operationId"], operation


def resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The schema behind a reference, a nullable or an `allOf`, with what several parts require."""
    while "$ref" in schema:
        node: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            node = node[part]
        schema = node
    parts = [resolved(s, document) for s in schema.get("allOf", []) or schema.get("anyOf", [])]
    parts = [p for p in parts if p.get("type") != "null"]
    if not parts:
        return schema
    properties = {k: v for p in parts for k, v in p.get("properties", {}).items()}
    return {**parts[0], "properties": properties, "required": [r for p in parts for r in p.get("required", [])]}


def body_schema(part: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    content = part.get("content", {})
    media = content.get("application/json") or next(iter(content.values()), {})
    return resolved(media.get("schema", {}), document)


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    return openapi.document(ROUTES, "https://hearth.test")


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    if not REFERENCE.exists():
        pytest.skip("Replicate's document is not beside this checkout")
    found: dict[str, Any] = json.loads(REFERENCE.read_text())
    return found


@pytest.mark.parametrize("version", ["3.1", "3.2"])
def test_it_is_valid(version: str) -> None:
    openapi_spec_validator.validate(openapi.document(ROUTES, "https://hearth.test", version))


def test_every_operation_is_in_it(ours: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(ours)]
    assert sorted(ids) == sorted(route.operation_id for route in ROUTES)
    assert len(set(ids)) == len(ids)


def test_names_of_records_are_names(ours: dict[str, Any]) -> None:
    """Two records of one name would get their modules' names, which generators do not take."""
    assert [name for name in ours["components"]["schemas"] if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)] == []


def test_every_failure_is_a_problem(ours: dict[str, Any]) -> None:
    for method, path, operation in operations(ours):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                kind = "json" if path.startswith("/openai/") else "problem+json"
                assert f"application/{kind}" in answer["content"], (method, path, status)


def test_no_operation_is_missing(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    have = {(method, path): operation["operationId"] for method, path, operation in operations(ours)}
    want = {(method, path): operation["operationId"] for method, path, operation in operations(theirs)}
    assert {k: have.get(k) for k in want} == want
    extra = {operation["operationId"] for _, _, operation in operations(ours) if "hearth" in operation["tags"]}
    assert set(have.values()) == set(want.values()) | extra


def test_no_status_is_missing(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    have = {operation["operationId"]: set(operation["responses"]) for _, _, operation in operations(ours)}
    for name, operation in shared(have, theirs):
        assert set(operation["responses"]) <= have[name], name


def test_no_parameter_is_missing(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    def names(operation: dict[str, Any], document: dict[str, Any]) -> dict[tuple[str, str], bool]:
        found = [resolved(p, document) for p in operation.get("parameters", [])]
        return {(p["in"], p["name"].lower()): p.get("required", False) for p in found}

    have = {operation["operationId"]: names(operation, ours) for _, _, operation in operations(ours)}
    for name, operation in shared(have, theirs):
        wanted = names(operation, theirs)
        assert wanted.keys() <= have[name].keys(), name
        more = {k for k, required in have[name].items() if required} - {k for k, required in wanted.items() if required}
        assert not more, f"{name} requires {more}"


def test_requests_have_their_fields_and_no_other_duties(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    have = {operation["operationId"]: operation for _, _, operation in operations(ours)}
    for name, operation in shared(have, theirs):
        if "requestBody" not in operation:
            continue
        wanted = body_schema(operation["requestBody"], theirs)
        found = body_schema(have[name]["requestBody"], ours)
        assert set(wanted.get("required", [])) == set(found.get("required", [])), name
        assert wanted.get("properties", {}).keys() - {"stream"} <= found.get("properties", {}).keys(), name


def test_answers_have_their_fields(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    have = {operation["operationId"]: operation for _, _, operation in operations(ours)}
    for name, operation in shared(have, theirs):
        for status, answer in operation["responses"].items():
            if int(status) >= 400 or "content" not in answer:
                continue
            _compare(
                body_schema(answer, theirs), body_schema(have[name]["responses"][status], ours), theirs, ours, name
            )


def _compare(
    wanted: dict[str, Any], found: dict[str, Any], theirs: dict[str, Any], ours: dict[str, Any], at: str, depth: int = 0
) -> None:
    wanted, found = resolved(wanted, theirs), resolved(found, ours)
    if depth > 6 or not wanted or not found:
        return
    if "items" in wanted:
        assert "items" in found, at
        _compare(wanted["items"], found["items"], theirs, ours, f"{at}[]", depth + 1)
    properties = found.get("properties", {})
    if found.get("type") == "object" and not properties:
        return  # any object: inputs, schemas, metrics
    for field, schema in wanted.get("properties", {}).items():
        assert field in properties, f"{at} lacks {field}"
        _compare(schema, properties[field], theirs, ours, f"{at}.{field}", depth + 1)
    missing = set(wanted.get("required", [])) - set(found.get("required", []))
    assert not missing, f"{at} does not promise {missing}"
