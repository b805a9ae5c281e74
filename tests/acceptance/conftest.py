"""A live server, the official clients, and what they need: models, files to fetch, somewhere for webhooks to go.

Servers and clients' processes live as long as the session; models are pushed when a test first asks for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import io
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import replicate

from hearth.cli.push import push
from hearth.testing.live import LiveServer
from hearth.testing.programs import Program
from hearth.testing.webhooks import Caught, WebhookCatcher

HERE = Path(__file__).parent
MODELS = HERE.parent / "models"
CACHE = Path(os.environ.get("HEARTH_TEST_CACHE") or Path.home() / ".cache" / "hearth-tests")
PYTHON_2 = "2.0.0b4"
"""The newest pre-release of the Python client's second version."""
OTHER_USER, OTHER_TOKEN = "other", "r8_" + "o" * 37
CANCEL_GRACE = 1.0


# Servers


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """https, with the accounts `admin` and `other`."""
    data = tmp_path_factory.mktemp("hearth")
    other = {"HEARTH_BOOTSTRAP_USER": OTHER_USER, "HEARTH_BOOTSTRAP_TOKEN": OTHER_TOKEN}
    with LiveServer(data, variables=other):
        pass
    data.joinpath("connection.json").unlink()
    with LiveServer(data, variables={"HEARTH_CANCEL_GRACE": str(CANCEL_GRACE)}) as running:
        yield running


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Plain http."""
    with LiveServer(tmp_path_factory.mktemp("plain"), tls=False) as running:
        yield running


# Models


class Model(NamedTuple):
    name: str
    """`owner/name`."""
    version: str

    @property
    def ref(self) -> str:
        return f"{self.name}:{self.version}"


class Models:
    """Pushes the models of `tests/models`, once each, and models that a test writes down itself."""

    def __init__(self, server: LiveServer, scratch: Path) -> None:
        self._server = server
        self._scratch = scratch
        self._pushed: dict[str, Model] = {}
        self._lock = threading.Lock()

    def __call__(self, name: str) -> Model:
        with self._lock:
            if name not in self._pushed:
                self._pushed[name] = self.push(MODELS / name, name)
            return self._pushed[name]

    def write(self, name: str, code: str, *, public: bool = True) -> Model:
        """A model whose predict.py is `code`."""
        folder = self._scratch / name
        folder.mkdir(exist_ok=True)
        folder.joinpath("cog.yaml").write_text('build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n')
        folder.joinpath("predict.py").write_text(code)
        return self.push(folder, name, public=public)

    def push(self, folder: Path, name: str, *, public: bool = True) -> Model:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            push(folder, f"admin/{name}", create=True, public=public, json=True, data=self._server.data)
        return Model(f"admin/{name}", json.loads(said.getvalue())["version"])


@pytest.fixture(scope="session")
def models(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(server, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def plain_models(plain: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(plain, tmp_path_factory.mktemp("plain-models"))


# The API by hand


class Event(NamedTuple):
    name: str
    id: str
    data: str


class Api:
    """Requests as they are on the wire, for what clients hide."""

    def __init__(self, server: LiveServer, token: str | None = None) -> None:
        self.server = server
        ca = server.connection.ca
        self.http = httpx.Client(
            base_url=server.url + "/v1/",
            headers={"Authorization": f"Bearer {token or server.token}"},
            verify=ssl.create_default_context(cafile=ca) if ca else True,
            timeout=60,
            trust_env=False,
        )

    def call(self, method: str, path: str, **options: Any) -> Any:
        response = self.http.request(method, path, **options)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def create(
        self, model: str, input: Mapping[str, Any] | None = None, *, hold: int | None = None,
        headers: Mapping[str, str] | None = None, **fields: Any,
    ) -> Any:  # fmt: skip
        """`hold`: seconds to wait for the end."""
        sent = dict(headers or {})
        if hold is not None:
            sent["Prefer"] = f"wait={hold}"
        body = {"version": model, "input": input or {}, **fields}
        response = self.http.post("predictions", json=body, headers=sent)
        assert response.status_code == 201, response.text
        return response.json()

    def run(self, model: str, input: Mapping[str, Any] | None = None, **fields: Any) -> Any:
        """The prediction as it ended."""
        return self.ended(self.create(model, input, **fields)["id"])

    def get(self, id: str) -> Any:
        return self.call("GET", f"predictions/{id}")

    def cancel(self, id: str) -> Any:
        return self.call("POST", f"predictions/{id}/cancel")

    def cancelled(self, id: str) -> Any:
        """Cancel it, and the prediction as it ended: one that runs may take longer than the answer to the cancel."""
        self.cancel(id)
        return self.ended(id)

    def ended(self, id: str) -> Any:
        """The prediction, once it has ended."""
        for _ in self.follow(id):
            pass
        return self.get(id)

    def until(self, id: str, kind: str, text: str = "") -> Any:
        """The first event of this kind (that holds `text`), once it has happened."""
        with contextlib.closing(self.follow(id)) as events:
            for event in events:
                if event["kind"] == kind and text in json.dumps(event["data"]):
                    return event
        raise AssertionError(f"{id} ended without {kind} {text!r}: {self.get(id)}")

    def follow(self, id: str) -> Iterator[Any]:
        """What happens to a prediction, from the beginning to the end."""
        for event in self.events(f"predictions/{id}/events?follow=true"):
            yield json.loads(event.data)

    def instance(self, model: str, test: Callable[[Any], bool] = lambda instance: True) -> Any:
        """The newest instance of a model, once it is as `test` says: what is shown lags a moment behind."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = [i for i in self.call("GET", "admin/instances")["results"] if i["model"] == model]
            if found and test(found[-1]):
                return found[-1]
            time.sleep(0.02)
        raise AssertionError(f"no instance of {model} became as it should: {found}")

    def events(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Event]:
        """Server-sent events. One `data: ` line each is all that is understood: it must suffice for tests."""
        with self.http.stream("GET", url, headers=dict(headers or {})) as response:
            assert response.status_code == 200, response.read()
            fields: dict[str, str] = {}
            for line in response.iter_lines():
                if not line and fields:
                    if "id" in fields:  # those without one are notes on the wait, not what happened
                        yield Event(fields["event"], fields["id"], fields["data"])
                    fields = {}
                elif line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = fields["data"] + "\n" + value if name == "data" and name in fields else value


@pytest.fixture(scope="session")
def api(server: LiveServer) -> Iterator[Api]:
    api = Api(server)
    with api.http:
        yield api


@pytest.fixture(scope="session")
def other(server: LiveServer) -> Iterator[Api]:
    """As another account."""
    api = Api(server, OTHER_TOKEN)
    with api.http:
        yield api


@pytest.fixture(scope="session")
def plain_api(plain: LiveServer) -> Iterator[Api]:
    api = Api(plain)
    with api.http:
        yield api


class Fresh(NamedTuple):
    server: LiveServer
    api: Api
    models: Models


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Fresh]]:
    """Starts servers of the test's own, to be killed and started again: `fresh(HEARTH_...=...)`."""
    with contextlib.ExitStack() as stack:

        def start(**variables: str) -> Fresh:
            folder = Path(tempfile.mkdtemp(dir=tmp_path))
            server = stack.enter_context(LiveServer(folder / "data", tls=False, variables=variables))
            api = Api(server)
            stack.enter_context(api.http)
            return Fresh(server, api, Models(server, folder))

        yield start


# The official clients


@pytest.fixture(scope="session")
def environment(server: LiveServer) -> dict[str, str]:
    """What `eval "$(hearth env)"` makes of this shell's."""
    return {**server.environment(), "REPLICATE_POLL_INTERVAL": "0.1"}


@pytest.fixture(scope="session")
def plain_environment(plain: LiveServer) -> dict[str, str]:
    return {**plain.environment(), "REPLICATE_POLL_INTERVAL": "0.1"}


@pytest.fixture
def py1(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[replicate.Client]:
    """`replicate` 1 in this process."""
    yield from _client(environment, monkeypatch)


@pytest.fixture
def plain_py1(plain_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[replicate.Client]:
    yield from _client(plain_environment, monkeypatch)


@pytest.fixture
async def async_py1(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[replicate.Client]:
    """The same, for the async methods."""
    for client in _client(environment, monkeypatch):
        yield client
        await client._async_client.aclose()


def _client(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[replicate.Client]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = replicate.Client()
    yield client
    client._client.close()


@pytest.fixture(scope="session")
def py2(environment: dict[str, str]) -> Iterator[Program]:
    """`replicate` 2, in an environment of its own: `py2("return replicate.run(...)")`."""
    with Program([str(_python_2()), str(HERE / "python2" / "program.py")], environment) as program:
        yield program


@pytest.fixture(scope="session")
def plain_py2(plain_environment: dict[str, str]) -> Iterator[Program]:
    with Program([str(_python_2()), str(HERE / "python2" / "program.py")], plain_environment) as program:
        yield program


@pytest.fixture(scope="session")
def js(environment: dict[str, str]) -> Iterator[Program]:
    """The npm package: `js("return await replicate.run(...)")`."""
    with _node(environment) as program:
        yield program


@pytest.fixture(scope="session")
def plain_js(plain_environment: dict[str, str]) -> Iterator[Program]:
    with _node(plain_environment) as program:
        yield program


def _node(environment: dict[str, str]) -> Program:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Node and npm are needed to test the JavaScript client.")
        pytest.skip("Node or npm is not installed: the JavaScript client is not tested.")
    package = HERE / "js" / "package.json"
    folder = CACHE / f"js-{hashlib.sha256(package.read_bytes()).hexdigest()[:12]}"

    def install() -> None:
        shutil.copy(package, folder)
        command = [npm, "install", "--silent", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=folder, check=True)

    _once(folder, install)
    return Program([node, str(HERE / "js" / "program.cjs")], {**environment, "NODE_PATH": f"{folder}/node_modules"})


def _python_2() -> Path:
    folder = CACHE / f"replicate-{PYTHON_2}-py{sys.version_info[0]}.{sys.version_info[1]}"
    python = folder / "venv" / "bin" / "python"

    def install() -> None:
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], check=True)
        package = f"replicate=={PYTHON_2}"
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), package], check=True)

    _once(folder, install)
    return python


def _once(folder: Path, install: Callable[[], None]) -> None:
    """Fill a folder of the cache, unless that has been done; other sessions wait."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / ".done"
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            install()
            done.touch()


# What models and webhooks reach


class Hooks:
    """`WebhookCatcher` for tests that are not async: it runs in a thread of its own."""

    def __init__(self) -> None:
        self.catcher = WebhookCatcher()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="webhooks")

    @property
    def url(self) -> str:
        return self.catcher.url

    @property
    def caught(self) -> list[Caught]:
        return list(self.catcher.caught)

    def wait(self, count: int, timeout: float = 20.0) -> list[Caught]:
        """The requests so far, once there are `count` of them. Raises TimeoutError."""
        return asyncio.run_coroutine_threadsafe(self.catcher.wait(count, timeout), self._loop).result()

    def until_completed(self, id: str, timeout: float = 20.0) -> list[Caught]:
        """Those of one prediction, once its last has come."""
        count = 1
        while True:
            caught = self.wait(count, timeout)
            own = [c for c in caught if c.json()["id"] == id]
            if any(c.json()["completed_at"] for c in own):
                return own
            count = len(caught) + 1

    def __enter__(self) -> Hooks:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.catcher.__aenter__(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.catcher.__aexit__(None, None, None), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as hooks:
        yield hooks


class Site:
    """Files to be fetched by http. `site.put("name", bytes, type)` answers the URL."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, str]] = {}
        self.asked: list[dict[str, str]] = []
        """The headers of each request, names in lower case."""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append({name.lower(): value for name, value in self.headers.items()})
                content, kind = site.files.get(self.path.partition("?")[0], (b"", ""))
                self.send_response(200 if kind else 404)
                self.send_header("Content-Type", kind or "text/plain")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})

    def put(self, name: str, content: bytes, kind: str = "application/octet-stream") -> str:
        self.files[f"/{name}"] = (content, kind)
        return f"http://127.0.0.1:{self._http.server_port}/{name}"

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site
