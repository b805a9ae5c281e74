"""`hearth models` and `hearth versions`."""

from __future__ import annotations

from hearth.cli.connection import Client, Failure, find
from hearth.cli.options import Data, Json, Limit, ModelName
from hearth.cli.output import line, show_json, table, when


def models(json: Json = False, limit: Limit = 100, data: Data = None) -> None:
    """List your models."""
    with Client(find(data)) as client:
        found = list(client.pages("account/models", limit))
    if json:
        show_json(found)
        return
    table(
        ("MODEL", "VISIBILITY", "RUNS", "LATEST VERSION", "PUSHED", "DESCRIPTION"),
        [
            (
                f"{m['owner']}/{m['name']}",
                m["visibility"],
                m["run_count"],
                (m["latest_version"] or {}).get("id", "")[:12],
                when((m["latest_version"] or {}).get("created_at")),
                line(m["description"] or ""),
            )
            for m in found
        ],
        "No models yet. Push one: hearth push DIR owner/name --create",
    )


def versions(model: ModelName, json: Json = False, limit: Limit = 100, data: Data = None) -> None:
    """List the versions of a model, newest first."""
    with Client(find(data)) as client:
        found = list(client.pages(f"models/{split(model)}/versions", limit))
    if json:
        show_json(found)
        return
    table(
        ("VERSION", "PUSHED", "COG"),
        [(v["id"], when(v["created_at"]), v["cog_version"]) for v in found],
        f"{model} has no versions yet. Push one: hearth push DIR {model}",
    )


def split(model: str) -> str:
    """`owner/name`, checked. Raises Failure."""
    owner, slash, name = model.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise Failure(f"{model!r} is not a model name.", "Write it as owner/name.")
    return model
