"""`hearth push`: upload what changed of a model's folder, follow the build, print the version."""

from __future__ import annotations

import hashlib
import json as json_module
import os
import stat
import sys
import tarfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

from hearth.cli.connection import Client, Failure, find
from hearth.cli.models import split
from hearth.cli.options import Data, Json
from hearth.cli.output import err, show_json, size

ALWAYS_LEFT_OUT = (
    ".git", ".hg", ".svn", ".cog", "__pycache__", "*.pyc", ".venv", "venv", ".DS_Store",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", "hearth-data",
)  # fmt: skip
"""Never part of a model; `.dockerignore` in the folder leaves out more, as it does for Cog."""

_CHUNK = 1 << 20


def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that holds cog.yaml.")],
    model: Annotated[str, typer.Argument(metavar="OWNER/NAME")],
    create: Annotated[bool, typer.Option("--create", help="Create the model if there is none.")] = False,
    public: Annotated[bool, typer.Option("--public", help="With --create: everybody may run it.")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Push a Cog model: it becomes a version, ready to run."""
    split(model)
    folder = folder.expanduser()
    with Client(find(data)) as client:
        ended = send(client, folder, model, create=create, public=public, quiet=json)
    if json:
        show_json(ended)
    if ended["status"] != "succeeded":
        raise Failure("The build failed." if not json else f"The build failed: {ended['error']}")
    if json:
        return
    err.print(f"Version {ended['version']}")
    err.print(f"Run it: hearth run {model}")
    print(f"{model}:{ended['version']}")


def send(client: Client, folder: Path, model: str, *, create: bool, public: bool, quiet: bool) -> dict[str, Any]:
    """Push a folder; the build as it ended."""
    if not (folder / "cog.yaml").is_file():
        raise Failure(f"{folder} holds no cog.yaml.", "Push the folder of a Cog model; `cog init` makes one.")
    files = list(source(folder))
    manifest = [{k: v for k, v in f.items() if k != "file"} for f in files]
    total = sum(f["size"] for f in files)
    err.print(f"Pushing {folder} to {model}: {len(files)} files, {size(total)}")
    body = {"source": manifest, "create": create, "visibility": "public" if public else None}
    started = client.call("POST", f"models/{model}/pushes", json=body)
    if missing := set(started["missing"]):
        _upload(client, started["id"], [f for f in files if f["sha256"] in missing], quiet)
    else:
        err.print("Every file is on the server already.")
    return _follow(client, started["id"], quiet=quiet)


def source(folder: Path) -> Iterator[dict[str, Any]]:
    """The files of a model, sorted, with their hashes: path, sha256, size, executable, file."""
    patterns = [*ALWAYS_LEFT_OUT, *_dockerignore(folder)]
    for path in sorted(_walk(folder, folder, patterns)):
        try:
            status = path.stat()
        except OSError as error:
            if not path.is_symlink():
                raise Failure(f"{path} can't be read: {error.strerror}.") from None
            err.print(
                f"Warning: {path.relative_to(folder)} is left out: it is a link to {os.readlink(path)}, not there."
            )
            continue
        if not stat.S_ISREG(status.st_mode):
            continue
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        yield {
            "path": path.relative_to(folder).as_posix(),
            "sha256": digest,
            "size": status.st_size,
            "executable": bool(status.st_mode & 0o111),
            "file": path,
        }


def _walk(folder: Path, root: Path, patterns: list[str], above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Its files, through links to folders as well: models share code that way. `above`: folders that this one is in,
    so that a link to one of them doesn't go round for ever."""
    real = os.path.realpath(folder)
    if real in above:
        return
    above |= {real}
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if _left_out(path.relative_to(root).as_posix(), patterns):
                continue
            if entry.is_dir():
                yield from _walk(path, root, patterns, above)
            else:
                yield path


def _left_out(relative: str, patterns: list[str]) -> bool:
    """The last matching pattern decides; `!pattern` brings back. A pattern without `/` fits at any depth."""
    out = False
    for pattern in patterns:
        wanted = pattern.startswith("!")
        body = pattern.lstrip("!").strip("/")
        fits = fnmatch(relative, body) or ("/" not in body and fnmatch(relative.rsplit("/", 1)[-1], body))
        if fits or (body.startswith("**/") and fnmatch(relative.rsplit("/", 1)[-1], body[3:])):
            out = not wanted
    return out


def _dockerignore(folder: Path) -> list[str]:
    try:
        lines = (folder / ".dockerignore").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [stripped for line in lines if (stripped := line.strip()) and not stripped.startswith("#")]


def _upload(client: Client, build: str, files: list[dict[str, Any]], quiet: bool) -> None:
    unique = {f["sha256"]: f for f in files}
    total = sum(f["size"] for f in unique.values())
    columns = ("[progress.description]{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal) as progress:
        task = progress.add_task("Uploading", total=total)
        if quiet or not err.is_terminal:
            err.print(f"Uploading {len(unique)} files, {size(total)}")

        def body() -> Iterator[bytes]:
            for digest, file in unique.items():
                header = tarfile.TarInfo(digest)
                header.size = file["size"]
                yield header.tobuf(tarfile.PAX_FORMAT)
                sent = 0
                with file["file"].open("rb") as stream:
                    while chunk := stream.read(min(_CHUNK, file["size"] - sent)):
                        sent += len(chunk)
                        progress.advance(task, len(chunk))
                        yield chunk
                if sent != file["size"]:
                    raise Failure(f"{file['path']} changed while it was uploaded.", "Push again.")
                yield b"\0" * (-sent % tarfile.BLOCKSIZE)
            yield b"\0" * (2 * tarfile.BLOCKSIZE)

        answer = client.call(
            "PUT", f"pushes/{build}/source", content=body(), headers={"Content-Type": "application/x-tar"}
        )
    if answer["missing"]:
        raise Failure(f"{len(answer['missing'])} files did not arrive.", "Push again; only they are sent.")


def _follow(client: Client, build: str, quiet: bool) -> dict[str, Any]:
    """The build as it ended. Its log goes to stderr while it runs."""
    for event, _, text in client.events(f"pushes/{build}/log"):
        if event == "log" and not quiet:
            sys.stderr.write(text if text.endswith("\n") else text + "\n")
            sys.stderr.flush()
        elif event == "done":
            return {"id": build, **json_module.loads(text)}
    ended: dict[str, Any] = client.call("GET", f"pushes/{build}")
    if ended["status"] not in ("succeeded", "failed"):
        raise Failure(
            "The connection broke while the build went on.", f"See: {client.connection.url}/v1/pushes/{build}"
        )
    return ended
