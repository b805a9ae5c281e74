"""`hearth deployments` and `hearth deployment`: a version under a name of one's own, on its own instances."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hearth.cli import warm
from hearth.cli.connection import Client, Failure, find
from hearth.cli.options import Data, Json, Limit
from hearth.cli.output import err, line, show_json, table, when

app = typer.Typer(help="Deployments: create, show, update, delete.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="[OWNER/]NAME")]
Least = Annotated[int | None, typer.Option("--min", help="Instances that always run, 0 to 5.")]
Most = Annotated[int | None, typer.Option("--max", help="Instances at most, 0 to 20; 0 disables it.")]
Hardware = Annotated[str | None, typer.Option(help="A hardware SKU.")]
BatchSize = Annotated[
    int | None, typer.Option(help="Predictions that run together at most, for a version that groups them.")
]
BatchWait = Annotated[float | None, typer.Option(help="Seconds that the first of a group waits for others.")]


def deployments(json: Json = False, limit: Limit = 100, data: Data = None) -> None:
    """List your deployments, newest first."""
    with Client(find(data)) as client:
        found = list(client.pages("deployments", limit))
    if json:
        show_json(found)
        return
    table(
        ("DEPLOYMENT", "MODEL", "RELEASE", "SERVING", "INSTANCES", "STATUS", "MADE", "BECAUSE"),
        [_row(each) for each in found],
        "No deployments yet. Make one: hearth deployment create NAME OWNER/MODEL",
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    model: Annotated[str, typer.Argument(metavar="OWNER/MODEL[:VERSION]")],
    least: Least = 0,
    most: Most = 1,
    hardware: Hardware = "cpu",
    batch_size: BatchSize = None,
    batch_wait: BatchWait = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Deploy a version, by default the latest."""
    model, _, version = model.partition(":")
    body = {
        "name": name,
        "model": model,
        "version": version or "latest",
        "hardware": hardware,
        "min_instances": least,
        "max_instances": most,
        **_grouping(batch_size, batch_wait),
    }
    with Client(find(data)) as client:
        made = client.call("POST", "deployments", json=body)
    _tell(made, json)


@app.command()
def show(name: Name, json: Json = False, data: Data = None) -> None:
    """Show a deployment and how its newest release fares."""
    with Client(find(data)) as client:
        found = client.call("GET", f"deployments/{_full(client, name)}")
    if json:
        show_json(found)
        return
    release = found["current_release"]
    bounds = release["configuration"]
    for key, value in (
        ("deployment", f"{found['owner']}/{found['name']}"),
        ("status", f"{found['status']}: {found['because']}"),
        ("release", f"{release['number']}, made {when(release['created_at'])}"),
        ("serving", found["serving_release"] or "none yet"),
        ("model", f"{release['model']}:{release['version']}"),
        ("hardware", bounds["hardware"]),
        ("instances", f"{bounds['min_instances']} to {bounds['max_instances']}"),
        *((name.replace("_", " "), bounds[name]) for name in ("batch_size", "batch_wait") if name in bounds),
    ):
        print(f"{key:<11}{value}")


@app.command()
def update(
    name: Name,
    version: Annotated[str | None, typer.Option(help="A version id, or latest.")] = None,
    least: Least = None,
    most: Most = None,
    hardware: Hardware = None,
    batch_size: BatchSize = None,
    batch_wait: BatchWait = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Change a deployment: every change is a new release. The former one serves until the new one is ready."""
    fields = {"version": version, "hardware": hardware, "min_instances": least, "max_instances": most}
    body = {key: value for key, value in fields.items() if value is not None} | _grouping(batch_size, batch_wait)
    if not body:
        raise Failure("Nothing to change.", "Give --version, --min, --max, --hardware, --batch-size or --batch-wait.")
    with Client(find(data)) as client:
        changed = client.call("PATCH", f"deployments/{_full(client, name)}", json=body)
    _tell(changed, json)


@app.command("warm")
def keep_warm(
    name: Name,
    schedule: warm.Schedule = None,
    zone: warm.Zone = None,
    count: warm.Count = None,
    idle: warm.Idle = None,
    waiting: warm.Waiting = None,
    off: warm.Off = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Keep instances of a deployment ready on top of --min, always or on a schedule; say how long idle ones stay, or
    how many may wait."""
    with Client(find(data)) as client:
        full = _full(client, name)
        path = f"deployments/{full}/scaling"
        warm.warm(
            client, path, full, schedule=schedule, zone=zone, count=count, idle=idle, waiting=waiting,
            off=off, json=json,
        )  # fmt: skip


@app.command()
def delete(name: Name, data: Data = None) -> None:
    """Delete a deployment that is offline and was not used lately."""
    with Client(find(data)) as client:
        full = _full(client, name)
        client.call("DELETE", f"deployments/{full}")
    err.print(f"{full} is deleted.")


def _grouping(size: int | None, wait: float | None) -> dict[str, Any]:
    return {key: value for key, value in (("batch_size", size), ("batch_wait", wait)) if value is not None}


def _full(client: Client, name: str) -> str:
    return name if "/" in name else f"{client.call('GET', 'account')['username']}/{name}"


def _tell(deployment: dict[str, Any], json: bool) -> None:
    if json:
        show_json(deployment)
        return
    number = deployment["current_release"]["number"]
    name, status = f"{deployment['owner']}/{deployment['name']}", deployment["status"]
    print(name)
    err.print(f"Release {number} is {status.replace('_', ' ')}: {deployment['because']}", markup=False)


def _row(deployment: dict[str, Any]) -> tuple[object, ...]:
    release = deployment["current_release"]
    bounds = release["configuration"]
    return (
        f"{deployment['owner']}/{deployment['name']}",
        f"{release['model']}:{release['version'][:12]}",
        release["number"],
        deployment["serving_release"] or "",
        f"{bounds['min_instances']} to {bounds['max_instances']}",
        deployment["status"],
        when(release["created_at"]),
        line(deployment["because"]),
    )
