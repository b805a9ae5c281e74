"""Plays the documentation: files are written, commands and programs run in the order of the page, outputs compared.

A fenced block takes part if a comment stands on the line before it:

<!-- file: digest/predict.py -->   its text is written there
<!-- run -->                       it is run: `sh` in one shell for the whole page, `python` and `js` as programs
<!-- run: fails -->                it is run, and must end with an error
<!-- run: python2 -->              run by the Python that has `replicate` 2
<!-- run: background -->           started; the page goes on when it has printed a line
<!-- output -->                    what the block before has printed holds this; `…` stands for anything
<!-- output: background -->        the same of the program in the background, which gets a moment for it
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hearth.testing.live import LiveServer

ROOT = Path(__file__).parent.parent.parent
CACHE = Path(os.environ.get("HEARTH_TEST_CACHE") or Path.home() / ".cache" / "hearth-tests")
PYTHON_2 = "2.0.0b4"
PATIENCE = 30.0
"""Seconds that a program in the background has to print what it is expected to."""

_BLOCK = re.compile(r"^<!-- (file|run|output)(?:: ([^\n]+?))? -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Step(NamedTuple):
    where: str
    """`docs/quickstart.md:42`."""
    role: str
    argument: str
    language: str
    text: str


def steps(page: str) -> list[Step]:
    text = (ROOT / page).read_text()
    return [
        Step(f"{page}:{text.count(chr(10), 0, m.start()) + 1}", m[1], m[2] or "", m[3], m[4])
        for m in _BLOCK.finditer(text)
    ]


class Background:
    """A program that runs beside the page."""

    def __init__(self, command: list[str], folder: Path, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = ""
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.said += line
                self._news.notify_all()

    def until(self, pattern: re.Pattern[str]) -> bool:
        with self._news:
            return bool(self._news.wait_for(lambda: pattern.search(self.said), PATIENCE))

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)  # the shell and what it started
        self.process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Desk:
    """A reader who follows a page: a folder, a shell whose exports last, and what was printed last."""

    def __init__(self, folder: Path, server: LiveServer) -> None:
        self.folder = self.scratch = folder
        self.server = server
        self.environ = {**environ(), "CHECKOUT": str(ROOT)}
        self.said = ""
        self.backgrounds: list[Background] = []
        self.programs: dict[str, Callable[[], str]] = {"python": lambda: sys.executable, "python2": python_2}

    def play(self, page: str, *, languages: tuple[str, ...] = ("sh", "python")) -> int:
        """Every step of the page in these languages (and every file); how many blocks were run."""
        played, skipping = 0, False
        for step in steps(page):
            if step.role == "file":
                path = self.folder / step.argument
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.text)
            elif step.role == "run":
                skipping = step.language not in languages
                if not skipping:
                    self._run(step)
                    played += 1
            elif not skipping:
                self._compare(step)
        return played

    def _run(self, step: Step) -> None:
        command = self._command(step)
        if step.argument == "background":
            background = Background(command, self.folder, self.environ)
            self.backgrounds.append(background)
            assert background.until(re.compile("\n")), f"{step.where} printed nothing"
            return
        ran = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=300, check=False
        )
        self.said = ran.stdout + ran.stderr
        failed = ran.returncode != 0
        assert failed == (step.argument == "fails"), f"{step.where} ended with {ran.returncode}:\n{self.said}"
        if step.language == "sh":
            self._keep_exports()

    def _command(self, step: Step) -> list[str]:
        if step.language == "sh":
            script = step.text.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
            return ["bash", "-e", "-o", "pipefail", "-c", f"{script}\nenv -0 > {self.scratch}/.exports"]
        name, program = ("block.mjs", node()) if step.language == "js" else (
            "block.py", self.programs["python2" if step.argument == "python2" else "python"]()
        )  # fmt: skip
        path = self.scratch / name
        path.write_text(step.text)
        return [program, *(["-u"] if step.language == "python" else []), str(path)]

    def _keep_exports(self) -> None:
        exports = self.scratch / ".exports"
        if exports.exists():
            pairs = [pair.partition("=") for pair in exports.read_text().split("\0") if pair]
            self.environ = {name: value for name, _, value in pairs}
            exports.unlink()

    def _compare(self, step: Step) -> None:
        pattern = expected(step.text)
        if step.argument == "background":
            background = self.backgrounds[-1]
            assert background.until(pattern), f"{step.where}: expected\n{step.text}\nbut it said\n{background.said}"
        else:
            assert pattern.search(self.said), f"{step.where}: expected\n{step.text}\nbut it said\n{self.said}"


def expected(text: str) -> re.Pattern[str]:
    """White space matches any white space, `…` anything."""
    words = [".*?".join(map(re.escape, word.split("…"))) for word in text.split()]
    return re.compile(r"\s+".join(words), re.DOTALL)


def _missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def node() -> str:
    found = shutil.which("node")
    if found is None:
        _missing("Node is not installed: the JavaScript of the documentation is not run.")
        raise AssertionError
    return found


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Where the npm package `replicate` lies."""
    npm = shutil.which("npm")
    if npm is None:
        _missing("npm is not installed: the JavaScript of the documentation is not run.")
        raise AssertionError
    package = ROOT / "tests" / "acceptance" / "js" / "package.json"
    folder = CACHE / f"js-{hashlib.sha256(package.read_bytes()).hexdigest()[:12]}"

    def install() -> None:
        shutil.copy(package, folder)
        command = [npm, "install", "--silent", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        if subprocess.run(command, cwd=folder, check=False).returncode:
            _missing("npm cannot install `replicate`: the JavaScript of the documentation is not run.")

    _once(folder, install)
    return folder / "node_modules"


def python_2() -> str:
    """A Python that has the client's second version."""
    folder = CACHE / f"replicate-{PYTHON_2}-py{sys.version_info[0]}.{sys.version_info[1]}"
    python = folder / "venv" / "bin" / "python"

    def install() -> None:
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], check=True)
        package = f"replicate=={PYTHON_2}"
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), package], check=True)

    _once(folder, install)
    return str(python)


def _once(folder: Path, install: Callable[[], None]) -> None:
    """Fill a folder of the cache, unless that has been done; other sessions wait."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / ".done"
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            install()
            done.touch()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader works; the server's data lies in it, as `hearth serve` puts it."""
    return tmp_path_factory.mktemp("reader")


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[LiveServer]:
    with LiveServer(folder / "hearth-data") as running:
        yield running


def environ() -> dict[str, str]:
    """A shell that has the commands of this environment and nothing of Hearth's."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HEARTH_", "REPLICATE_"))}
    return {**clean, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"}


@pytest.fixture
def desk(folder: Path, server: LiveServer) -> Iterator[Desk]:
    desk = Desk(folder, server)
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: [background.stop() for background in desk.backgrounds])
        yield desk


@pytest.fixture(scope="session")
def quickstart(folder: Path, server: LiveServer) -> int:
    """The quickstart, followed: later pages use its model."""
    return Desk(folder, server).play("docs/quickstart.md")
