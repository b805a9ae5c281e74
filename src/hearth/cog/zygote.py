"""Runs in a model's environment: an interpreter that has imported heavy libraries, and forks instances.

`python zygote.py` with HEARTH_ZYGOTE_FD, one end of a socket that only the platform has the other end of. A message is
four bytes of length and JSON; descriptors come with the length. First `{"modules": path, "but": [...]}`: it imports the
names in the JSON file at `path`, and answers `{"ready": true}`, or `{"unfit": name, "because": …}` and exits. Then
`{"start": …}` (see `launch`) and `{"reap": pid}` until the socket closes.

What it forks must not differ from a process that was started: it has no threads, no open files, no children, and has
never touched a GPU, or it refuses to serve. A forked process has its own environment variables, working directory,
standard streams and random numbers; the zygote itself knows no model's secrets.

    zygote ─fork─> leader: setsid, then becomes coglet's server by exec
                     └─fork─> worker: waits until coglet starts `python`, which is a script (`shim`) that hands over
                              its pipes, and runs what `python` was to run

Leader and worker are of one session and group, like those that were started. Standard library only, Linux,
Python 3.10 to 3.13.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import random
import socket
import struct
import sys
import tempfile
import traceback
import types
from typing import Any

LENGTH = struct.Struct("!I")
SHIM_FD = 9
"""The largest that a POSIX shell can name."""
STARTED = b"started "
"""What a leader says before it becomes the server; an error follows if it could not."""
HARMLESS = ("/dev/null", "/dev/urandom", "/dev/random", "/dev/zero")
ALL = "*"
GPU = ("/dev/nvidia", "/dev/dri", "/dev/kfd")


class Unfit(Exception):
    """Forking would not do for this process what starting does. The message says why."""


# Messages


def receive(control: socket.socket) -> tuple[Any, list[int]]:
    """The next message and its descriptors; None when the other end is closed."""
    head, fds, _, _ = socket.recv_fds(control, LENGTH.size, 8)
    if not head:
        return None, []
    while len(head) < LENGTH.size:
        head += control.recv(LENGTH.size - len(head))
    rest = LENGTH.unpack(head)[0]
    content = bytearray()
    while len(content) < rest:
        piece = control.recv(min(rest - len(content), 1 << 20))
        if not piece:
            return None, fds
        content += piece
    return json.loads(content), fds


def send(control: socket.socket, message: dict[str, Any]) -> None:
    content = json.dumps(message).encode()
    control.sendall(LENGTH.pack(len(content)) + content)


# Fitness


def descriptors() -> dict[int, str]:
    """What is open, by number."""
    found: dict[int, str] = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def opened_since(clean: dict[int, str]) -> list[str]:
    """What is open now and was not then, but for what nobody minds sharing."""
    found = [path for fd, path in descriptors().items() if clean.get(fd) != path]
    return [path for path in found if path not in HARMLESS and not path.startswith("/proc/")]


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def children() -> list[str]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()


def rehearse() -> None:
    """A fork for nothing: some libraries end their threads before a fork, and know afterwards what is broken."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        torch = sys.modules.get("torch")
        broken = getattr(getattr(torch, "cuda", None), "_is_in_bad_fork", None)
        os._exit(1 if broken is not None and broken() else 0)
    _, status = os.waitpid(pid, 0)
    if status:
        raise Unfit("it uses the GPU, which does not survive a fork")


def check(clean: dict[int, str]) -> None:
    """Raises Unfit. `clean`: what was open before the first import."""
    torch = sys.modules.get("torch")
    initialized = getattr(getattr(torch, "cuda", None), "is_initialized", None)
    opened = opened_since(clean)
    if any(path.startswith(GPU) for path in opened) or (initialized is not None and initialized()):
        raise Unfit("it uses the GPU, which does not survive a fork")
    if opened:
        raise Unfit(f"it keeps {opened[0]} open, which its copies would share")
    if children():
        raise Unfit("it starts a process")
    if threads() > 1:
        rehearse()
        if threads() > 1:
            raise Unfit("it starts a thread, which does not survive a fork")


def preload(path: str, but: list[str]) -> set[str]:
    """Imports what a worker had imported, in its order; the names of all that is in `sys.modules` then.

    Raises Unfit, with the name of the library as its second argument: the top-level one, or ALL if it is not known.
    """
    with open(path) as file:
        names = json.load(file)["modules"]
    clean = descriptors()
    rehearsed: set[str] = set()
    for name in names:
        top = name.partition(".")[0]
        if top in but or name in sys.modules:
            continue
        # A library that can't be imported by itself is imported by the model, as it would be anyway.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
        try:
            check(clean)
            if "torch" in sys.modules and top not in rehearsed and top not in sys.stdlib_module_names:
                rehearsed.add(top)
                rehearse()
        except Unfit as unfit:
            raise Unfit(str(unfit), top) from None
    try:
        rehearse()
    except Unfit as unfit:
        raise Unfit(str(unfit), ALL) from None
    return {name.partition(".")[0] for name in sys.modules}


def shadowed(folder: str, known: set[str]) -> str | None:
    """A module of the model's own folder that has the name of one that is imported already."""
    for name in os.listdir(folder):
        stem, dot, ending = name.partition(".")
        own = ending.endswith(("py", "so", "pyc")) if dot else os.path.exists(f"{folder}/{name}/__init__.py")
        if own and stem in known:
            return name
    return None


# Forks


def launch(
    request: dict[str, Any], fds: list[int], control: socket.socket, known: set[str], adjustment: str
) -> str | None:
    """Forks an instance: `argv`, `env`, `cwd`, `markers` (see `show`), `shim` (a folder for PATH); descriptors of
    standard input, of output and errors, and of the pipe that the environment variable `alive` is to name.

    Returns None in the zygote, after an answer with the leader's pid; in the worker, what to run.
    """
    if len(fds) != 3 or threads() > 1:
        raise Unfit("it is not as it was when it was made")
    name = shadowed(request["cwd"], known)
    if name is not None:
        raise Unfit(f"the model's folder has {name}, and a library of that name is imported already")
    read, write = os.pipe()
    write = moved(write)
    sys.stdout.flush()
    sys.stderr.flush()
    leader = os.fork()
    if leader == 0:
        try:
            control.close()
            os.close(read)
            return lead(request, fds, write, adjustment)
        except BaseException as error:  # noqa: BLE001 - a copy of the zygote must never go on as one
            os.write(write, f"{type(error).__name__}: {error}".encode())
            os._exit(127)
    os.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read()
    if said != STARTED:
        os.waitpid(leader, 0)
        raise OSError(said.removeprefix(STARTED).decode(errors="replace") or "the leader died")
    send(control, {"leader": leader})
    return None


def moved(fd: int) -> int:
    """The same descriptor, where it is in nobody's way."""
    number = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, SHIM_FD + 1)
    os.close(fd)
    return number


def lead(request: dict[str, Any], fds: list[int], write: int, adjustment: str) -> str:
    """In the leader: becomes the instance's server, which closes `write`. Returns in the worker only, as `wait`."""
    env = request["env"]
    os.setsid()
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(adjustment)
    os.close(int(os.environ[request["alive"]]))  # the zygote's own
    input, output, alive = fds
    alive = moved(alive)
    os.set_inheritable(alive, True)
    env[request["alive"]] = str(alive)
    for fd, place in ((input, 0), (output, 1), (output, 2)):
        os.dup2(fd, place)
    os.close(input)
    os.close(output)
    os.chdir(request["cwd"])
    ours, theirs = socket.socketpair()
    worker = os.fork()
    if worker != 0:
        ours.close()
        os.write(write, STARTED)
        os.dup2(theirs.fileno(), SHIM_FD)
        os.execve(request["argv"][0], request["argv"], {**env, "PATH": request["shim"] + os.pathsep + env["PATH"]})
    os.close(write)
    theirs.close()
    return wait(ours, env, request["markers"])


def wait(ours: socket.socket, env: dict[str, str], markers: dict[str, str]) -> str:
    """In the worker: waits for the script that coglet takes for `python`; the code that it was to run. If anything
    fails, the script starts a python of its own."""
    try:
        pid = ours.recv(64).decode().strip()
        if not pid:  # the server died
            os._exit(0)
        with open(f"/proc/{pid}/cmdline") as file:
            arguments = file.read().split("\0")[2:-1]  # behind the names of the shell and of the script
        if arguments[:1] != ["-c"]:
            os._exit(0)
        for theirs, fd, flags in ((3, 0, os.O_RDONLY), (4, 1, os.O_WRONLY)):
            opened = os.open(f"/proc/{pid}/fd/{theirs}", flags)
            os.dup2(opened, fd)
            os.close(opened)
        settle(env, markers)
        ours.sendall(b"taken\n")
        ours.close()
    except BaseException:  # noqa: BLE001 - as above
        traceback.print_exc()
        os._exit(1)
    sys.argv = ["-c", *arguments[2:]]
    sys.orig_argv = ["python", *arguments]
    sys.path.insert(0, "")
    importlib.invalidate_caches()
    return arguments[1]


def settle(env: dict[str, str], markers: dict[str, str]) -> None:
    """Makes this process one of its own: variables, temporary folder, random numbers."""
    os.environ.clear()
    os.environ.update(env)
    show(markers)
    tempfile.tempdir = None
    random.seed()
    numbers = sys.modules.get("numpy.random")
    if numbers is not None:
        numbers.seed()


def show(markers: dict[str, str]) -> None:
    """Puts `markers` where /proc shows a process's variables, over what the zygote was started with: whoever looks for
    an instance's processes finds this one, and what it forks, by them."""
    with open("/proc/self/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    content = "".join(f"{name}={value}\0" for name, value in markers.items()).encode()
    # Nothing points there any more: `environ.clear` has removed every variable of the beginning.
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, content, min(len(content), end - start))


def last_resort() -> str:
    """The kernel's out-of-memory killer takes the zygote before any instance; what an instance is to have instead."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as file:
            before = file.read().strip()
            file.seek(0)
            file.write(str(min(1000, int(before) + 750)))
            return before
    except OSError:
        return "0"


def main() -> str | None:
    """Returns in a worker only: the code to run."""
    sys.path.pop(0)  # this folder: its module names are not the model's business
    control = socket.socket(fileno=int(os.environ.pop("HEARTH_ZYGOTE_FD")))
    control.set_inheritable(False)
    os.set_inheritable(int(os.environ["HEARTH_ALIVE_FD"]), False)
    adjustment = last_resort()
    request, _ = receive(control)
    if request is None:
        return None
    try:
        known = preload(request["modules"], request["but"])
    except Unfit as unfit:
        send(control, {"unfit": unfit.args[1], "because": unfit.args[0]})
        return None
    gc.collect()
    gc.freeze()  # a collection in a copy would write to every page
    send(control, {"ready": True})
    while True:
        request, fds = receive(control)
        if request is None:
            return None
        if "reap" in request:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(request["reap"], 0)
            continue
        try:
            code = launch(request["start"], fds, control, known, adjustment)
        except (Unfit, OSError) as error:
            send(control, {"refused": str(error)})
        else:
            if code is not None:
                return code
        for fd in fds:
            os.close(fd)


def run(code: str) -> None:
    """As `python -c` does."""
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    exec(compile(code, "<string>", "exec"), module.__dict__)


if __name__ == "__main__":
    code = main()
    if code is not None:
        run(code)
