"""What the documentation tells readers to do works, and prints what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hearth.testing.live import LiveServer

ROOT = Path(__file__).parent.parent.parent
PLAYED = (
    "docs/push-a-model.md",
    "docs/clients.md",
    "docs/webhooks.md",
    "docs/files.md",
    "docs/deployments.md",
    "docs/cold-boots.md",
    "docs/memory.md",
    "docs/queue.md",
    "docs/scaling.md",
    "docs/trainings.md",
    "docs/batching.md",
    "docs/web.md",
)


def test_the_quickstart(quickstart: int) -> None:
    assert quickstart >= 7


@pytest.mark.parametrize("page", PLAYED)
def test_a_page(page: str, quickstart: int, desk: Any) -> None:
    assert desk.play(page) >= 1


@pytest.mark.parametrize("page", ["docs/quickstart.md", "docs/clients.md"])
def test_the_javascript_of_a_page(page: str, quickstart: int, desk: Any, node_modules: Path) -> None:
    link = desk.folder / "node_modules"
    if not link.exists():
        link.symlink_to(node_modules)
    desk.environ.update(desk.server.environment())
    assert desk.play(page, languages=("js",)) == 1


def test_the_readme(desk: Any) -> None:
    desk.environ["HEARTH_DATA"] = str(desk.server.data)
    desk.folder = ROOT
    assert desk.play("README.md") == 1


def test_language_models(desk: Any) -> None:
    desk.environ["HEARTH_DATA"] = str(desk.server.data)
    desk.folder = ROOT
    assert desk.play("docs/language-models.md") >= 7


def test_a_backup_can_be_started(quickstart: int, desk: Any, tmp_path: Path) -> None:
    """`docs/operate.md` makes one in `backup`; a server on it has the model and runs it."""
    assert desk.play("docs/operate.md") == 1
    (desk.folder / "backup").rename(tmp_path / "hearth-data")
    with LiveServer(tmp_path / "hearth-data") as restored:
        ran = restored.hearth("run", "admin/digest", "-i", f"document=@{desk.folder / 'report.txt'}")
    assert "Pump two" in ran.stdout
