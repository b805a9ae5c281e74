"""`hearth seed` sets up what docs/seed.md shows, once and again."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hearth.testing.live import LiveServer

ROOT = Path(__file__).parents[2]
TOKEN = "r8_aliceaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with LiveServer(tmp_path / "data", tls=False) as server:
        yield server


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """The example of the page, with a model folder beside it."""
    example = re.search(r"```yaml\n(.*?)```", (ROOT / "docs" / "seed.md").read_text(), re.DOTALL)
    assert example
    file = tmp_path / "world.yaml"
    file.write_text(example[1])
    shutil.copytree(ROOT / "tests" / "models" / "noop", tmp_path / "hello-world")
    return file


def test_a_world_is_seeded(server: LiveServer, world: Path) -> None:
    for _ in range(2):
        done = server.hearth("seed", str(world), check=False)
        assert done.returncode == 0, done.stderr
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=f"{server.url}/v1/", headers=headers, trust_env=False) as client:
        assert client.get("account").json()["name"] == "Alice"
        assert client.get("account").headers["ratelimit-remaining"] == "2998"
        model = client.get("models/alice/hello-world").json()
        assert model["description"] == "Says hello."
        versions = client.get("models/alice/hello-world/versions").json()["results"]
        assert [v["id"] for v in versions] == [model["latest_version"]["id"]]
        assert client.get("files/0seedfile00000000000000001").json()["size"] == 13
        prediction = client.get("predictions/0seedprediction00000000001").json()
        assert (prediction["output"], prediction["source"]) == ("hello Alice", "web")
        assert prediction["created_at"].startswith("2026-01-31T10:00:00")
        assert [p["id"] for p in client.get("predictions").json()["results"]] == [prediction["id"]]
        examples = client.get("models/alice/hello-world/examples").json()["results"]
        assert [e["id"] for e in examples] == [prediction["id"]]
        deployment = client.get("deployments/alice/greeter").json()
        assert deployment["current_release"]["number"] == 1
        collection = client.get("collections/greetings").json()
        assert [m["name"] for m in collection["models"]] == ["hello-world"]
    shown = server.hearth("account", "limit", "alice", "--creates", "5", "--others", "server", "--json")
    assert '"creates_per_minute": 5' in shown.stdout
    assert '"others_per_minute": null' in shown.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accounts:\n  - username: a\n    tokns: []\n", ":3: accounts: tokns: no such key"),
        ("accounts:\n  - name: a\n", ":2: accounts: username is missing"),
        ("account: []\n", ":1: account: there is no such section"),
        ("models:\n  model: a/b\n", ":1: models: expected a list"),
        ("accounts:\n  - username: A B\n", ":2: accounts: "),
        ("models: [\n", "is not YAML"),
    ],
)
def test_a_mistake_is_told_with_its_line(plain: LiveServer, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    done = plain.hearth("seed", str(file), check=False)
    assert done.returncode == 1
    assert said in done.stderr
