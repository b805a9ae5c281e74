"""Documents agree with the code and with each other: links, names, generated parts, sizes."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer.main

import hearth
from hearth.cli import app
from hearth.cog import config
from hearth.settings import Settings
from hearth.testing.live import LiveServer

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md"))
)
OURS = [page for page in PAGES if not page.startswith("examples/")]
NOT_SETTINGS = {"HEARTH_CONFIG", "HEARTH_URL", "HEARTH_TOKEN", "HEARTH_CA", "HEARTH_TEST_TORCH"}
"""Variables of the commands and of the tests, and the one that names the settings file."""
LIMITS = {"README.md": 500, "docs/quickstart.md": 900, "ARCHITECTURE.md": 1800}

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def text_of(page: str) -> str:
    return (ROOT / page).read_text()


def anchors(text: str) -> set[str]:
    """As GitHub makes them."""
    found = set[str]()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = _LINK.sub(lambda m: m[0][1 : m[0].index("]")], heading).lower()
        kept = "".join(c for c in plain if c in "-_ " or unicodedata.category(c)[0] in "LNM")
        name, number = kept.replace(" ", "-"), 0
        while (unique := f"{name}-{number}" if number else name) in found:
            number += 1
        found.add(unique)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    broken = []
    for link in _LINK.findall(_FENCE.sub("", text_of(page))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        known = target.exists() and target.is_relative_to(ROOT)
        if not known or (anchor and anchor not in anchors(target.read_text())):
            broken.append(link)
    assert not broken


def test_every_page_can_be_found() -> None:
    linked = {
        ((ROOT / page).parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in _LINK.findall(text_of(page))
        if not re.match(r"[a-z]+:|#", link)
    }
    pages = {ROOT / page for page in PAGES if page.startswith("docs/") and "/decisions/" not in page}
    assert {path.name for path in pages - linked} == set()


def test_generated_parts_are_fresh() -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_settings_are_real_and_all_told() -> None:
    real = {f"HEARTH_{name.upper()}" for name in Settings.__struct_fields__}
    named = {page: set(re.findall(r"HEARTH_[A-Z][A-Z_]*[A-Z]", text_of(page))) for page in OURS}
    assert {page: wrong for page, names in named.items() if (wrong := names - real - NOT_SETTINGS)} == {}
    table = text_of("docs/operate.md").partition("<!-- generated: settings -->")[2].partition("<!-- /generated -->")[0]
    assert real - set(re.findall(r"`(HEARTH_\w+)`", table)) == set()
    assert [row for row in table.splitlines()[2:] if row.endswith("|  |")] == [], "a setting without a docstring"


def test_metrics_are_real_and_all_told(server: LiveServer) -> None:
    from hearth.cli.connection import Client

    with Client(server.connection) as client:
        exposed = client._send("GET", "metrics").text
    families = re.findall(r"^# TYPE (hearth_\w+) (\w+)$", exposed, re.MULTILINE)
    real = {name for name, _ in families if not name.endswith("_created")}
    told = set(re.findall(r"\bhearth_[a-z_]+\b", text_of("docs/operate.md")))
    assert told == real


def test_commands_and_options_are_real() -> None:
    group = typer.main.get_command(app)
    options = {name: _options(command) for name, command in group.commands.items()}  # type: ignore[attr-defined]
    wrong = []
    for page in PAGES:
        for name, tail in re.findall(r"\bhearth ([a-z]+)\b([^`\n)]*)", "\n".join(_code(text_of(page)))):
            rest = tail.split("|")[0].split("#")[0].split()
            if name not in options:
                wrong.append(f"{page}: hearth {name}")
                continue
            flags = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
            wrong += [f"{page}: hearth {name} {flag}" for flag in flags - options[name]]
    assert not wrong


def _options(command: object) -> set[str]:
    found = {"--help"}
    for parameter in getattr(command, "params", ()):
        found |= {*parameter.opts, *parameter.secondary_opts}
    for inner in getattr(command, "commands", {}).values():
        found |= _options(inner)
    return found


def _code(text: str) -> list[str]:
    """Fenced blocks (but those of Python and the like) and inline code."""
    shell = re.findall(r"^```(?:sh|text)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`(hearth [^`]+)`", _FENCE.sub("", text))
    return [*shell, *(code.replace("\n", " ") for code in inline)]


def test_every_key_of_a_model_is_told() -> None:
    page = text_of("docs/push-a-model.md")
    keys = [*config._TOP, *(f"build.{name}" for name in config._BUILD), *config._HEARTH]
    assert [key for key in keys if key != "build" and f"`{key}`" not in page] == []
    assert all(version in page for version in (config.PYTHON_VERSIONS[0], config.PYTHON_VERSIONS[-1]))


@pytest.mark.parametrize("page", LIMITS)
def test_it_is_short(page: str) -> None:
    assert len(text_of(page).split()) < LIMITS[page]


def test_the_changelog_knows_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", text_of("CHANGELOG.md"), re.MULTILINE)
    assert versions[:2] == ["Unreleased", hearth.__version__]


def test_files_that_the_architecture_names_exist() -> None:
    text = text_of("ARCHITECTURE.md").partition("## The life")[2]
    source = ROOT / "src" / "hearth"
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_0-9]+\.py)`", text)) - {"docs/generate.py"}
    rooms = [source, *(path for path in source.iterdir() if path.is_dir()), ROOT]
    assert [name for name in named if not any((room / name).exists() for room in rooms)] == []


def test_functions_that_the_architecture_names_exist() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "src" / "hearth").rglob("*.py"))
    named = set(re.findall(r"`(?:\w+\.)?(_?[A-Za-z]\w*)`", text_of("ARCHITECTURE.md").partition("## States")[0]))
    words = {name for name in named if name[0] == "_" or name[0].isupper()}
    assert words, "the life of a prediction names classes and functions"
    assert [name for name in words if not re.search(rf"\b(?:def|class) {name}\b|^{name}\b", code, re.MULTILINE)] == []
