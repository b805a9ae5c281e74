"""`hearth ps` on wide and on narrow terminals, from answers as the server gives them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from hearth.cli import instances

INSTANCE = {
    "id": "01m7wxq3em69330qjrjzcc4hb2", "model": "ada/sdxl", "version": "a" * 64, "deployment": None,
    "training": False, "state": "busy", "slots": 1, "busy": 1, "memory": 6_200_000_000, "peak": 6_400_000_000,
    "reserved": 6_400_000_000, "gpus": [], "gpu_memory": None, "batch_size": None,
    "started_at": "2026-11-20T16:00:00Z", "because": "every slot is taken",
}  # fmt: skip
LANE = {
    "model": "ada/sdxl", "version": "a" * 64, "deployment": "ada/app", "training": False, "waiting": 3,
    "oldest": 41.2, "running": 1, "ready": 1, "booting": 1, "wanted": 2, "maximum": 4,
    "because": "3 waiting, the oldest for 41 s",
}  # fmt: skip
DECISION = {
    "at": "2026-11-20T16:00:00Z", "action": "evict", "model": "ada/sdxl", "version": "a" * 64, "deployment": None,
    "instance": "01m7wxq3em69330qjrjzcc4hb2", "wanted": None, "because": "idle for 80 s, and acme/llama needs the room",
}  # fmt: skip


class Server:
    """Answers as the server does."""

    def __init__(self, *, idle: bool = False, paused: str | None = None) -> None:
        self.answers = {
            "admin/instances": {"results": [] if idle else [INSTANCE]},
            "admin/decisions": {"results": [] if idle else [DECISION]},
            "admin/scheduler": {
                "paused": paused,
                "lanes": [] if idle else [LANE],
                "memory": {"budget": 16_000_000_000, "reserved": 6_400_000_000, "used": 6_200_000_000, "zygotes": 3e8},
                "broken": [],
                "zygotes": [{}],
            },
        }

    def call(self, method: str, path: str) -> Any:
        return self.answers[path]


def shown(monkeypatch: pytest.MonkeyPatch, server: Server, width: int, decisions: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, force_terminal=True, color_system=None)
    monkeypatch.setattr(instances, "out", console)
    console.print(instances._look(server, decisions))  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 200])
def test_every_sentence_is_whole_on_any_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = shown(monkeypatch, Server(), width)
    assert max(map(len, text.splitlines())) <= width
    for sentence in ("every slot is taken", "3 waiting, the oldest for 41 s"):
        assert sentence in " ".join(text.split())
    assert "Memory: 6.4 GB of 16.0 GB reserved, 6.2 GB in use; 1 zygote with 300.0 MB" in " ".join(text.split())


def test_a_wide_one_has_a_line_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for line in shown(monkeypatch, Server(), 200).splitlines() if line.strip()]
    assert len(lines) == 5
    assert lines[0].split()[:2] == ["INSTANCE", "MODEL"]
    assert lines[1].split()[:2] == ["jzcc4hb2", f"ada/sdxl:{'a' * 12}"]


def test_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(shown(monkeypatch, Server(), 160, decisions=True).split())
    assert "evict" in text
    assert "idle for 80 s, and acme/llama needs the room" in text


def test_nothing_runs_and_the_server_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, Server(idle=True, paused="a new disk"), 80)
    assert "Paused: a new disk" in text
    assert "No instances. The first prediction of a model boots one." in text
