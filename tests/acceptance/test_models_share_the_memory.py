"""Models that need more memory together than there is take turns; one that takes too much is told so, and no other
suffers for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hearth.testing.live import LiveServer
from tests.acceptance.conftest import MODELS, Api, Models

MB = 10**6
BUDGET = 600 * MB
CODE = MODELS.joinpath("hungry", "predict.py").read_text()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that has little memory for its models."""
    variables = {"HEARTH_MEMORY": str(BUDGET), "HEARTH_UNKNOWN_MEMORY": str(50 * MB)}
    with LiveServer(tmp_path_factory.mktemp("small"), tls=False, variables=variables) as running:
        yield running


@pytest.fixture(scope="module")
def few(small: LiveServer) -> Iterator[Api]:
    api = Api(small)
    with api.http:
        yield api


@pytest.fixture(scope="module")
def pushed(small: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Pushes a `hungry` that keeps so many megabytes."""
    models = Models(small, tmp_path_factory.mktemp("hungry"))

    def push(name: str, kept: int, setup: int = 0) -> str:
        folder = tmp_path_factory.mktemp("pushed") / name
        folder.mkdir()
        variables = f'environment: ["KEPT_MB={kept}", "SETUP_MB={setup}"]\n'
        folder.joinpath("cog.yaml").write_text(
            f'build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n{variables}'
        )
        folder.joinpath("predict.py").write_text(CODE)
        return models.push(folder, name).name

    return push


def run(api: Api, name: str, input: dict[str, Any] | None = None) -> Any:
    return api.create(name, input, hold=60)


def instances(api: Api) -> dict[str, Any]:
    return {i["model"]: i for i in api.call("GET", "admin/instances")["results"]}


def test_models_take_turns_where_not_all_fit(few: Api, pushed: Any) -> None:
    large, other = pushed("large", 300), pushed("other", 250)
    first = run(few, large)
    assert first["status"] == "succeeded"
    shown = few.instance(large, lambda instance: instance["peak"] is not None)
    assert 300 * MB < shown["peak"] < 400 * MB
    assert shown["reserved"] >= shown["memory"]
    # Nothing is known of the other one, so it boots beside it, and was measured then. Now both do not fit.
    assert run(few, other)["status"] == "succeeded"
    for _ in range(2):
        for name in (large, other):
            assert run(few, name)["status"] == "succeeded"
            serving = {m: i for m, i in instances(few).items() if i["state"] in ("ready", "busy")}
            assert sum(i["reserved"] for i in serving.values()) <= BUDGET or len(serving) == 2
    assert run(few, other)["output"] != first["output"]


def test_who_takes_too_much_is_tried_again_alone_and_told(few: Api, pushed: Any) -> None:
    name = pushed("greedy", 20)
    assert run(few, name, {"megabytes": 100})["status"] == "succeeded"
    ended = run(few, name, {"megabytes": 2000, "step": 20})
    assert ended["status"] == "failed"
    assert "ran out of memory" in ended["error"]
    events = few.call("GET", f"predictions/{ended['id']}/events")
    kinds = [event["kind"] for event in events["results"]]
    assert kinds.count("started") == 2
    # It had all that there is the second time; what it needs for smaller inputs comes back by itself.
    assert run(few, name, {"megabytes": 50})["status"] == "succeeded"


def test_what_never_fits_is_said_at_once(few: Api, pushed: Any) -> None:
    name = pushed("huge", 1500)
    first = run(few, name)
    assert first["status"] == "failed"
    assert "ran out of memory" in first["error"]
    second = run(few, name)
    assert second["error"].startswith("admin/huge needs about")
    assert "this server has 600 MB for its models" in second["error"]
