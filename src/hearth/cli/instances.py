"""`hearth ps`: what runs, what waits, what was decided and why. `hearth instance`: boot, show and stop one by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hearth.cli.connection import Client, find
from hearth.cli.options import Data, Json
from hearth.cli.output import err, out, show_json, size, when

WIDE = 120
"""Columns of a terminal from which on each instance and line has a line of its own."""
EVERY = 2.0
"""Seconds between two looks of `--watch`."""

app = typer.Typer(help="Instances by hand: boot one, show one, stop one.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="As `hearth ps` shows it; its end is enough.")]


def ps(
    decisions: Annotated[bool, typer.Option("--decisions", help="What was decided lately, and why.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again every 2 s, until Ctrl-C.")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Show instances and waiting lines, their state and why."""
    with Client(find(data)) as client:
        if json:
            path = "admin/decisions" if decisions else "admin/instances"
            show_json(client.call("GET", path)["results"])
        elif watch and out.is_terminal:
            with Live(console=out, screen=True, auto_refresh=False) as live:
                try:
                    while True:
                        live.update(_look(client, decisions), refresh=True)
                        time.sleep(EVERY)
                except KeyboardInterrupt:
                    return
        else:
            _console().print(_look(client, decisions))


@app.command()
def boot(
    model: Annotated[str, typer.Argument(metavar="OWNER/NAME[:VERSION]", help="A model, or with -d a deployment.")],
    deployment: Annotated[bool, typer.Option("--deployment", "-d", help="It is a deployment's name.")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Boot one more instance, whether anybody waits or not. It ends by being idle, as any other."""
    name, _, version = model.partition(":")
    body = {"deployment": name} if deployment else {"model": name, "version": version or None}
    with Client(find(data)) as client:
        lane = client.call("POST", "admin/instances", json=body)
    if json:
        show_json(lane)
        return
    err.print(f"{name} has {lane['ready']} ready and {lane['booting']} booting: {lane['because']}", markup=False)


@app.command()
def show(id: Id, json: Json = False, data: Data = None) -> None:
    """Show an instance, with the last lines of its log."""
    with Client(find(data)) as client:
        found = _find(client, id)
    if json:
        show_json(found)
        return
    for name in ("id", "model", "version", "deployment", "state", "because", "pid", "boot_seconds", "predictions"):
        value = found[name]
        if value not in (None, "", []):
            print(f"{name:<14}{', '.join(value) if isinstance(value, list) else value}")
    if found["logs"]:
        print(f"\n{found['logs']}")


@app.command()
def stop(id: Id, data: Data = None) -> None:
    """Stop an instance. What runs on it runs again, or fails if it has delivered output."""
    with Client(find(data)) as client:
        found = _find(client, id)
        client.call("DELETE", f"admin/instances/{found['id']}")
    err.print(f"Instance {found['id']} of {found['model']} is being stopped.")


def pause(
    because: Annotated[str, typer.Argument(help="One sentence for those who wait.")] = "",
    data: Data = None,
) -> None:
    """Start nothing new until `hearth resume`: what runs goes on, what comes waits."""
    with Client(find(data)) as client:
        paused = client.call("POST", "admin/scheduler/pause", json={"because": because})["paused"]
    err.print(f"Paused: {paused}. Go on with: hearth resume", markup=False)


def resume(data: Data = None) -> None:
    """Go on after `hearth pause`."""
    with Client(find(data)) as client:
        client.call("POST", "admin/scheduler/resume")
    err.print("It goes on.")


def _find(client: Client, id: str) -> dict[str, Any]:
    """By its id, or by the end of it if only one ends so."""
    found = [i["id"] for i in client.call("GET", "admin/instances")["results"] if i["id"].endswith(id)]
    instance: dict[str, Any] = client.call("GET", f"admin/instances/{found[0] if len(found) == 1 else id}")
    return instance


def _console() -> Console:
    return out if out.is_terminal else Console(width=200, highlight=False)


def _look(client: Client, decisions: bool) -> Group:
    wide = _console().width >= WIDE
    if decisions:
        found = client.call("GET", "admin/decisions")["results"]
        rows = [_decision(each) for each in found]
        return Group(_grid(("WHEN", "WHAT", "MODEL", "WANTED", "INSTANCE", "BECAUSE"), rows, wide, "Nothing yet."))
    instances = client.call("GET", "admin/instances")["results"]
    scheduler = client.call("GET", "admin/scheduler")
    parts: list[Table | Text | Group] = []
    if scheduler["paused"]:
        parts.append(Text(f"Paused: {scheduler['paused']}", style="bold"))
    parts.append(
        _grid(
            ("INSTANCE", "MODEL", "FOR", "STATE", "SLOTS", "MEMORY", "PEAK", "RESERVED", "GPU", "SINCE", "BECAUSE"),
            [_instance(each) for each in instances],
            wide,
            "No instances. The first prediction of a model boots one.",
        )
    )
    lanes = [_lane(lane) for lane in scheduler["lanes"]]
    if lanes:
        columns = ("LINE", "WAITING", "OLDEST", "RUNNING", "READY", "BOOTING", "WANTED", "MAX", "BECAUSE")
        parts += [Text(), _grid(columns, lanes, wide, "")]
    if scheduler["broken"]:
        rows = [
            (b["model"], b["version"][:12], b["deployment"] or "", when(b["since"]), b["because"])
            for b in scheduler["broken"]
        ]
        parts += [Text(), _grid(("GIVEN UP", "VERSION", "FOR", "SINCE", "BECAUSE"), rows, wide, "")]
    parts += [Text(), Text(_memory(scheduler))]
    return Group(*parts)


def _memory(scheduler: dict[str, Any]) -> str:
    """One line under the tables."""
    memory, zygotes = scheduler["memory"], scheduler["zygotes"]
    of = "" if memory["budget"] is None else f" of {size(memory['budget'])}"
    text = f"Memory: {size(memory['reserved'])}{of} reserved, {size(memory['used'])} in use"
    if zygotes:
        text += f"; {len(zygotes)} {'zygote' if len(zygotes) == 1 else 'zygotes'} with {size(memory['zygotes'])}"
    return text


def _grid(columns: Sequence[str], rows: Sequence[Sequence[object]], wide: bool, empty: str) -> Table | Text | Group:
    """The last column is a sentence. Where there is no room for a table, each row is a few words and its sentence."""
    if not rows:
        return Text(empty)
    shown = [[("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not wide:
        return Group(*(_card(columns, row) for row in shown))
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in shown:
        grid.add_row(*map(Text, row))
    return grid


def _card(columns: Sequence[str], row: Sequence[str]) -> Text:
    """`ada/app  waiting 3  ready 1`, and the sentence below."""
    first, *others = row[:-1]
    named = (f"{column.lower()} {cell}" for column, cell in zip(columns[1:], others, strict=False) if cell)
    return Text(f"{'  '.join((first, *named))}\n  {row[-1]}", overflow="fold")


def _instance(i: dict[str, Any]) -> tuple[object, ...]:
    return (
        i["id"][-8:],
        f"{i['model']}:{i['version'][:12]}",
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


def _lane(lane: dict[str, Any]) -> tuple[object, ...]:
    name = lane["deployment"] or f"{lane['model']}:{lane['version'][:12]}"
    return (
        f"{name} (training)" if lane["training"] else name,
        lane["waiting"],
        f"{lane['oldest']:.0f} s" if lane["waiting"] else "",
        lane["running"],
        lane["ready"],
        lane["booting"],
        lane["wanted"],
        lane["maximum"],
        lane["because"],
    )


def _decision(d: dict[str, Any]) -> tuple[object, ...]:
    name = d["deployment"] or f"{d['model']}:{d['version'][:12]}"
    return when(d["at"]), d["action"], name, d["wanted"], (d["instance"] or "")[-8:], d["because"]


def _gpus(instance: dict[str, Any]) -> str:
    """`0: 12.3 GB`, by number."""
    if not instance["gpus"]:
        return ""
    return ",".join(map(str, instance["gpus"])) + f": {size(instance['gpu_memory'])}"


def _slots(instance: dict[str, Any]) -> str:
    """`1/1`, and for one that runs groups how large they are: `1/1 x 12.5`."""
    size = instance["batch_size"]
    return f"{instance['busy']}/{instance['slots']}" + (f" x {size:.3g}" if size is not None else "")
