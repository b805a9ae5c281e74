"""`hearth models` and `hearth versions`."""

from __future__ import annotations

from typing import Annotated

import typer

from hearth.cli import warm
from hearth.cli.connection import Client, Failure, find
from hearth.cli.options import Data, Json, Limit, ModelName
from hearth.cli.output import line, show_json, table, when

app = typer.Typer(invoke_without_command=True)


@app.callback()
def models(context: typer.Context, json: Json = False, limit: Limit = 100, data: Data = None) -> None:
    """List your models, or look after one."""
    if context.invoked_subcommand is not None:
        return
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


@app.command()
def retry(
    model: Annotated[str, typer.Argument(metavar="OWNER/NAME[:VERSION]")], json: Json = False, data: Data = None
) -> None:
    """Try a version again whose setup failed too often; by default the latest. The beginning of its id is enough."""
    name, _, version = model.partition(":")
    with Client(find(data)) as client:
        client.call("POST", f"models/{split(name)}/versions/{version or 'latest'}/retry")
    if json:
        show_json({"model": name, "version": version or "latest"})
    else:
        print(f"{model} is tried again, with its next prediction or those that wait.")


@app.command("warm")
def keep_warm(
    model: ModelName,
    schedule: warm.Schedule = None,
    zone: warm.Zone = None,
    count: warm.Count = None,
    version: Annotated[str | None, typer.Option(help="A version's id. Default: the latest, whichever it is.")] = None,
    idle: warm.Idle = None,
    waiting: warm.Waiting = None,
    off: warm.Off = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Keep instances of a model ready, always or on a schedule; say how long idle ones stay, or how many may wait."""
    with Client(find(data)) as client:
        path = f"models/{split(model)}/scaling"
        warm.warm(
            client, path, model, schedule=schedule, zone=zone, count=count, idle=idle, waiting=waiting,
            off=off, json=json, version=version,
        )  # fmt: skip


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
