"""`hearth ps`: what runs, in which state, and why."""

from __future__ import annotations

from typing import Any

from hearth.cli.connection import Client, find
from hearth.cli.options import Data, Json
from hearth.cli.output import show_json, size, table, when


def ps(json: Json = False, data: Data = None) -> None:
    """Show instances, their state and why."""
    with Client(find(data)) as client:
        found = client.call("GET", "admin/instances")["results"]
        broken = [] if json else client.call("GET", "admin/scheduler")["broken"]
    if json:
        show_json(found)
        return
    table(
        (
            "INSTANCE",
            "MODEL",
            "VERSION",
            "FOR",
            "STATE",
            "SLOTS",
            "MEMORY",
            "PEAK",
            "RESERVED",
            "GPU",
            "SINCE",
            "BECAUSE",
        ),
        [
            (
                i["id"][-8:],
                i["model"],
                i["version"][:12],
                i["deployment"] or ("training" if i["training"] else ""),
                i["state"],
                _slots(i),
                size(i["memory"]),
                size(i["peak"]),
                size(i["reserved"]),
                _gpus(i),
                when(i["started_at"]),
                i["because"],
            )
            for i in found
        ],
        "No instances. The first prediction of a model boots one.",
    )
    if broken:
        table(
            ("GIVEN UP", "VERSION", "FOR", "SINCE", "BECAUSE"),
            [(b["model"], b["version"][:12], b["deployment"] or "", when(b["since"]), b["because"]) for b in broken],
            "",
        )


def _gpus(instance: dict[str, Any]) -> str:
    """`0: 12.3 GB`, by number."""
    if not instance["gpus"]:
        return ""
    return ",".join(map(str, instance["gpus"])) + f": {size(instance['gpu_memory'])}"


def _slots(instance: dict[str, Any]) -> str:
    """`1/1`, and for one that runs groups how large they are: `1/1 x 12.5`."""
    size = instance["batch_size"]
    return f"{instance['busy']}/{instance['slots']}" + (f" x {size:.3g}" if size is not None else "")
