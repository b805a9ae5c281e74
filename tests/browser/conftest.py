"""A real browser in front of a real server: Debian's Chromium, driven by Playwright.

Whatever a page writes to the console as an error fails the test that opened it; so do violations of the content
security policy, exceptions in scripts and answers of 500. Without a browser these tests skip, and fail where `CI`
is set.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, sync_playwright

from hearth.cli.push import push
from hearth.testing.live import LiveServer

MODELS = Path(__file__).parents[1] / "models"
DESKTOP, PHONE = (1280, 900), (390, 844)
THEMES = ("light", "dark")
ENDED = ("succeeded", "failed", "canceled")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--use-fake-device-for-media-stream"]


@pytest.fixture(scope="module")  # its loop runs as long as it is open, and tests of other files have loops of their own
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        reason = "no browser: install Debian's chromium (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """https, with hardware that has a price."""
    data = tmp_path_factory.mktemp("hearth")
    hardware = {"cpu": {"price": 0.0001}, "cpu-small": {"price": 0.00005}}
    with LiveServer(data, variables={"HEARTH_HARDWARE": json.dumps(hardware)}) as running:
        yield running


class Model(NamedTuple):
    name: str
    """`owner/name`."""
    version: str


class Models:
    """Pushes the models of `tests/models`, once each, when a test first asks for them."""

    def __init__(self, server: LiveServer, scratch: Path) -> None:
        self._server, self._scratch = server, scratch
        self._pushed: dict[str, Model] = {}

    def __call__(self, name: str) -> Model:
        if name not in self._pushed:
            self._pushed[name] = self.push(MODELS / name, name)
        return self._pushed[name]

    def push(self, folder: Path, name: str, *, public: bool = True) -> Model:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            push(folder, f"admin/{name}", create=True, public=public, json=True, data=self._server.data)
        return Model(f"admin/{name}", json.loads(said.getvalue())["version"])

    def write(self, name: str, code: str, *, public: bool = True) -> Model:
        """A model whose predict.py is `code`."""
        folder = self._scratch / name
        folder.mkdir(exist_ok=True)
        folder.joinpath("cog.yaml").write_text('build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n')
        folder.joinpath("predict.py").write_text(code)
        return self.push(folder, name, public=public)


@pytest.fixture(scope="module")
def models(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(server, tmp_path_factory.mktemp("models"))


class Api:
    """The API with the admin's token, to prepare what pages show and to see what they did."""

    def __init__(self, server: LiveServer, token: str | None = None) -> None:
        ca = server.connection.ca
        self.http = httpx.Client(
            base_url=server.url + "/v1/",
            headers={"Authorization": f"Bearer {token or server.token}"},
            verify=ssl.create_default_context(cafile=ca) if ca else True,
            timeout=60,
        )

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        reply = self.http.request(method, path, **options)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def run(self, model: Model, input: dict[str, Any], **body: Any) -> dict[str, Any]:
        """A prediction, ended."""
        made = self("POST", "predictions", json={"version": model.version, "input": input, **body})
        return self.ended(made["id"])

    def ended(self, id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while (found := self("GET", f"predictions/{id}"))["status"] not in ENDED:
            assert time.monotonic() < deadline, f"prediction {id} is still {found['status']}: {found}"
            time.sleep(0.05)
        return found


@pytest.fixture(scope="module")
def api(server: LiveServer) -> Iterator[Api]:
    with Api(server) as client:
        yield client


class Complaints:
    """What went wrong in a page. `expect` names parts of messages that a test provokes itself."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._expected: list[str] = []

    def expect(self, *parts: str) -> None:
        self._expected += parts

    def expect_status(self, *statuses: int) -> None:
        """The browser complains of every answer that is an error."""
        self.expect(*[f"the server responded with a status of {status}" for status in statuses])

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"exception: {error}"))
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.found.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.found.append(f"status {response.status} of {response.url}")

    @property
    def unexpected(self) -> list[str]:
        return [text for text in self.found if not any(part in text for part in self._expected)]


Open = Callable[..., Page]


@pytest.fixture(scope="module")
def signed_in(browser: Browser, server: LiveServer, api: Api) -> dict[str, Any]:
    """The admin's cookies, got with a link as people get them."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(api("POST", "account/links")["url"])
    page.get_by_role("button", name="Sign in as admin").click()
    page.wait_for_url(f"{server.url}/")
    state: Any = context.storage_state()
    context.close()
    return dict(state)


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Fails the test for whatever its pages complain of."""
    found = Complaints()
    yield found
    assert not found.unexpected, "\n".join(found.unexpected)


@pytest.fixture
def open_page(
    browser: Browser, server: LiveServer, complaints: Complaints, signed_in: dict[str, Any]
) -> Iterator[Open]:
    """Opens a page: `open_page("/explore", theme="dark", size=PHONE, anonymous=True, scripts=False)`.
    `allow`: statuses that the browser may complain of."""
    contexts: list[BrowserContext] = []

    def open_one(
        path: str = "/",
        *,
        theme: str = "light",
        size: tuple[int, int] = DESKTOP,
        anonymous: bool = False,
        scripts: bool = True,
        allow: tuple[str, ...] = (),
    ) -> Page:
        context = browser.new_context(
            base_url=server.url,
            ignore_https_errors=True,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if theme == "dark" else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
            has_touch=size == PHONE,
            storage_state=None if anonymous else signed_in,  # type: ignore[arg-type]
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        complaints.expect(*[f"the server responded with a status of {status}" for status in allow])
        complaints.watch(page)
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_page: Open) -> Page:
    """Signed in as the admin."""
    return open_page("/")


@pytest.fixture
def anonymous(open_page: Open) -> Page:
    return open_page("/", anonymous=True)


@pytest.fixture(scope="module")
def accessible() -> Callable[[Page], None]:
    """Fails for what axe finds serious or critical on a page, and for a page that is wider than its window."""
    axe = Axe()

    def check(page: Page) -> None:
        found = [v for v in axe.run(page).response["violations"] if v["impact"] in ("serious", "critical")]
        text = [
            f"{v['id']}: {v['help']}\n" + "\n".join(f"  {node['html'][:200]}" for node in v["nodes"][:5]) for v in found
        ]
        assert not found, f"{page.url}\n" + "\n".join(text)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{page.url} is {overflow} pixels wider than its window"

    return check


@pytest.fixture(
    params=[(theme, size) for theme in THEMES for size in (DESKTOP, PHONE)], ids=lambda p: f"{p[0]}-{p[1][0]}"
)
def look(request: pytest.FixtureRequest) -> tuple[str, tuple[int, int]]:
    """Both themes, at a desk and on a phone."""
    found: tuple[str, tuple[int, int]] = request.param
    return found
