"""The pages that come with Hearth."""

from __future__ import annotations

from pathlib import Path

from hearth import handbook


def test_a_page_has_its_title_and_its_text(tmp_path: Path) -> None:
    tmp_path.joinpath("b.md").write_text("<!-- run -->\n# Second page \n\nText <!-- hidden -->here\n")
    tmp_path.joinpath("a.md").write_text("no title")
    tmp_path.joinpath("c.txt").write_text("# No page")
    pages = handbook.load(tmp_path)
    assert [(p.href, p.name) for p in pages] == [("/docs/a", "a"), ("/docs/b", "Second page")]
    assert "Text here" in pages[1].text
    assert "run" not in pages[1].text


def test_there_are_pages() -> None:
    assert "/docs/quickstart" in [page.href for page in handbook.load(handbook.folder())]


def test_no_folder_no_pages(tmp_path: Path) -> None:
    assert handbook.load(tmp_path / "none") == []
