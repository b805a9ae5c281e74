"""Newest first, a hundred a page, forwards and backwards, by every client. The account `other` has nothing else."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest
import replicate

COUNT = 205


@pytest.fixture(scope="module")
def made(other: Any, models: Any) -> list[str]:
    """Ids, newest first."""
    noop = models("noop").name
    before = other.call("GET", "predictions")
    assert before["results"] == []
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: other.create(noop, {"text": str(n)}, hold=30), range(COUNT)))
    ids, url = [], "predictions"
    while url:
        page = other.call("GET", url)
        ids += [p["id"] for p in page["results"]]
        url = page["next"]
    return ids


def test_pages_hold_a_hundred_and_lead_both_ways(made: list[str], other: Any) -> None:
    assert len(made) == len(set(made)) == COUNT
    first = other.call("GET", "predictions")
    assert first["previous"] is None
    second = other.call("GET", first["next"])
    third = other.call("GET", second["next"])
    assert third["next"] is None
    pages = [[p["id"] for p in page["results"]] for page in (first, second, third)]
    assert [len(page) for page in pages] == [100, 100, 5]
    assert [id for page in pages for id in page] == made
    assert other.call("GET", third["previous"])["results"] == second["results"]
    assert other.call("GET", second["previous"])["results"] == first["results"]
    times = [p["created_at"] for page in (first, second, third) for p in page["results"]]
    assert times == sorted(times, reverse=True)
    assert all(page["next"] is None or page["next"].startswith("https://") for page in (first, second, third))


def test_times_bound_a_list(made: list[str], other: Any) -> None:
    oldest, newest = other.get(made[149])["created_at"], other.get(made[20])["created_at"]
    page = other.call("GET", "predictions", params={"created_after": oldest, "created_before": newest})
    rest = other.call("GET", page["next"])
    assert [p["id"] for p in page["results"] + rest["results"]] == made[21:150]


def test_python_1_pages(made: list[str], py1: replicate.Client, other: Any) -> None:
    client = replicate.Client(api_token=other.http.headers["authorization"].split()[1])
    first = client.predictions.list()
    second = client.predictions.list(cursor=first.next)
    assert [p.id for p in [*first, *second]] == made[:200]
    assert second.previous is not None
    assert [p.id for p in client.predictions.list(cursor=second.previous)] == made[:100]
    assert [p.id for page in _pages(client.predictions) for p in page] == made
    client._client.close()


def _pages(resource: Any) -> Any:
    page = resource.list()
    while True:
        yield page
        if not page.next:
            return
        page = resource.list(cursor=page.next)


def test_python_2_pages(made: list[str], py2: Any, other: Any) -> None:
    code = """
    client = replicate.Replicate(bearer_token=token)
    return [prediction.id for prediction in client.predictions.list()]
    """
    assert py2(code, token=other.http.headers["authorization"].split()[1]) == made


def test_node_pages(made: list[str], js: Any, other: Any) -> None:
    code = """
    const client = new Replicate({ auth: token, baseUrl: process.env.REPLICATE_BASE_URL });
    const ids = [];
    for await (const page of client.paginate(client.predictions.list)) ids.push(...page.map(({ id }) => id));
    return ids;
    """
    assert js(code, token=other.http.headers["authorization"].split()[1]) == made


def test_models_and_versions_are_read(py1: replicate.Client, py2: Any, js: Any, models: Any) -> None:
    noop = models("noop")
    owner, _, name = noop.name.partition("/")
    found = py1.models.get(noop.name)
    assert (found.owner, found.name, found.visibility) == (owner, name, "public")
    assert found.latest_version is not None
    assert found.latest_version.id == noop.version
    assert [v.id for v in found.versions.list()] == [noop.version]
    assert found.versions.get(noop.version).openapi_schema["components"]["schemas"]["Output"]["type"] == "string"
    code = """
    client = replicate.Replicate()
    model = client.models.get(model_owner=owner, model_name=name)
    versions = [v.id for v in client.models.versions.list(model_owner=owner, model_name=name)]
    return [model.run_count > 0, model.latest_version.id, versions]
    """
    noop_runs = py1.run(noop.name)
    assert noop_runs == "ok"
    assert py2(code, owner=owner, name=name) == [True, noop.version, [noop.version]]
    code = """
    const model = await replicate.models.get(owner, name);
    const versions = await replicate.models.versions.list(owner, name);
    const version = await replicate.models.versions.get(owner, name, model.latest_version.id);
    return [model.latest_version.id, versions.results.map(({ id }) => id), version.id];
    """
    assert js(code, owner=owner, name=name) == [noop.version, [noop.version], noop.version]
