"""Instances that are forked from an interpreter with their libraries imported, and when they are not.

`tests/contract/runtime` runs over forked instances as well; here is what concerns zygotes alone. The heavy library is a
stand-in that takes 0.4 s of the processor to import.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hearth import ids
from hearth.cog.build import Environment, Environments
from hearth.cog.config import CogConfig
from hearth.domain.boot import BootPhase
from hearth.domain.model import Recipe
from hearth.errors import InstanceLost, SetupFailed
from hearth.runtime import processes, zygote, zygotes
from hearth.runtime.base import InstanceSpec, Job, Outcome
from hearth.runtime.owner import Owner
from hearth.runtime.process import ProcessRuntime
from hearth.runtime.shortcuts import Shortcuts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="zygotes need /proc")

LIBRARIES = {
    "heavy": """
        import os, time
        began = time.process_time()
        while time.process_time() - began < 0.4:
            pass
        PID = os.getpid()
        FLAG = os.environ.get("HEAVY_FLAG")
        ballast = bytearray(os.urandom(1 << 20) * 32)
    """,
    "threads": """
        import threading, time
        import heavy
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    """,
    "sockets": """
        import socket
        import heavy
        ours, theirs = socket.socketpair()
    """,
    "daemons": """
        import subprocess
        import heavy
        child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    """,
    "torch": """
        import os, types
        import heavy
        PID = os.getpid()
        cuda = types.SimpleNamespace(is_initialized=lambda: True, _is_in_bad_fork=lambda: os.getpid() != PID)
    """,
    "badfork": """
        import os, sys, types
        import heavy
        PID = os.getpid()
        torch = sys.modules["torch"] = types.ModuleType("torch")
        torch.cuda = types.SimpleNamespace(is_initialized=lambda: False, _is_in_bad_fork=lambda: os.getpid() != PID)
    """,
}
SCHEMA = {
    "paths": {"/predictions": {"post": {}}},
    "components": {"schemas": {"Input": {"type": "object", "properties": {"wait": {"type": "number"}}}}},
}
SAYS = """
    import os, random, sys, tempfile
    import {library}
    import heavy
    class Predictor:
        def setup(self):
            print("in setup")
        def run(self) -> dict:
            with open("/proc/self/environ") as file:
                shown = file.read().split(chr(0))
            return {{
                "heavy": heavy.PID, "pid": os.getpid(), "environ": dict(os.environ), "shown": shown,
                "tmp": tempfile.gettempdir(), "random": random.random(), "argv": sys.argv, "path": sys.path[0],
                "cwd": os.getcwd(), "flag": heavy.FLAG, "group": os.getpgid(0), "session": os.getsid(0),
                "fds": {{fd: os.readlink(f"/proc/self/fd/{{fd}}") for fd in os.listdir("/proc/self/fd")
                        if os.path.islink(f"/proc/self/fd/{{fd}}")}},
                # Below 32: what lies above are glibc's own.
                "signals": {{line.split(":")[0]: int(line.split()[1], 16) & 0x7fffffff
                            for line in open("/proc/self/status") if line[:3] == "Sig" and line[3] != "Q"}},
                "nice": os.nice(0), "score": open("/proc/self/oom_score_adj").read().strip(),
                "main": sys.modules["__main__"].__dict__.get("__file__"), "executable": sys.executable,
            }}
"""


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return Environments(tmp_path_factory.mktemp("environments"), environ=os.environ)


@pytest.fixture(scope="session")
def built(kept: Environments, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the stand-ins in it."""
    workdir = tmp_path_factory.mktemp("work")
    environment = asyncio.run(kept.prepare(CogConfig(), workdir=workdir, log=lambda _: None))
    (site,) = environment.path.glob("lib/python*/site-packages")
    for name, code in LIBRARIES.items():
        (site / f"{name}.py").write_text(textwrap.dedent(code))
    return environment


class Workshop:
    """A runtime with zygotes, and models that are written by the test."""

    def __init__(self, runtime: ProcessRuntime, environment: Environment, folder: Path) -> None:
        self.runtime, self.environment, self._folder = runtime, environment, folder
        self.started: list[Any] = []
        self.logs: list[str] = []
        self.phases: list[BootPhase] = []

    def spec(self, code: str = "", library: str = "heavy", **changes: Any) -> InstanceSpec:
        folder = self._folder / ids.random32()
        folder.mkdir(parents=True)
        (folder / "predict.py").write_text(textwrap.dedent(code or SAYS.format(library=library)))
        for name, content in changes.pop("files", {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content)
        recipe = Recipe(
            source=(),
            environment=self.environment.key,
            predict="predict.py:Predictor",
            variables=changes.pop("recipe", {}),
            concurrency=changes.pop("concurrency", 1),
            is_async=changes.pop("is_async", False),
        )
        return InstanceSpec(
            id=ids.random32(),
            version_id="v",
            model="tests/zygote",
            folder=folder,
            recipe=recipe,
            schema=SCHEMA,
            setup_timeout=60,
            **changes,
        )

    async def start(self, code: str = "", **changes: Any) -> Any:
        self.logs, self.phases = [], []
        instance = await self.runtime.start(self.spec(code, **changes), self.logs.append, self.phases.append)
        self.started.append(instance)
        return instance

    async def warmed(self, **changes: Any) -> str:
        """Once a first boot has left a zygote; its id."""
        first = await self.start(**changes)
        assert not first.forked
        await self.runtime.zygotes_settled()
        await first.stop(0)
        return self.runtime.zygotes()[-1].id

    async def says(self, instance: Any) -> dict[str, Any]:
        outcome = await run(instance)
        assert outcome.status == "succeeded", outcome
        said: dict[str, Any] = outcome.output
        return said


async def run(instance: Any, **input: Any) -> Outcome:
    outcome: Outcome
    outcome = await instance.run(Job(id=ids.sortable(), input=input), lambda _: None)
    return outcome


Make = Callable[..., Workshop]


@pytest.fixture
async def make(kept: Environments, built: Environment, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Workshop] = []
    (built.path / zygotes.IMPORTS).unlink(missing_ok=True)

    def make(**changes: Any) -> Workshop:
        root = tmp_path / str(len(made))
        settings = {"environ": os.environ, "zygote_after": 0.25, **changes}
        made.append(Workshop(ProcessRuntime(root, kept, **settings), built, root / "models"))
        return made[-1]

    yield make
    for workshop in made:
        await asyncio.gather(*(instance.stop(0) for instance in workshop.started))
        await workshop.runtime.close()
        assert workshop.runtime.zygotes() == []


@pytest.fixture
def shop(make: Make) -> Workshop:
    return make()


async def until(met: Callable[[], bool]) -> None:
    """Of what no signal tells: the system's own tables."""
    async with asyncio.timeout(60):
        while not met():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# Forked, and like any other


async def test_the_second_boot_is_forked_and_imports_nothing_heavy(shop: Workshop) -> None:
    id = await shop.warmed()
    (known,) = shop.runtime.zygotes()
    assert (known.id, known.environment, known.forks) == (id, shop.environment.key, 0)
    assert known.memory > 32 << 20
    instance = await shop.start()
    assert instance.forked
    assert "forked" in instance.how
    said = await shop.says(instance)
    assert said["heavy"] == known.pid != said["pid"]
    assert shop.runtime.zygotes()[0].forks == 1
    assert shop.phases == [BootPhase.ENVIRONMENT, BootPhase.PROCESS, BootPhase.IMPORT, BootPhase.SETUP]
    assert shop.logs == ["in setup"]
    usage = await instance.usage()
    assert usage.pid == said["group"] == said["session"]


async def test_light_models_leave_nothing_behind(shop: Workshop) -> None:
    await shop.start("class Predictor:\n    def run(self) -> str:\n        return 'x'")
    await shop.runtime.zygotes_settled()
    assert shop.runtime.zygotes() == []
    assert not (shop.environment.path / zygotes.IMPORTS).exists()


async def test_without_a_threshold_there_are_no_zygotes(make: Make) -> None:
    shop = make(zygote_after=0.0)
    await shop.start()
    await shop.runtime.zygotes_settled()
    assert shop.runtime.zygotes() == []


async def test_a_forked_instance_differs_in_nothing_that_a_model_sees(make: Make) -> None:
    plain = make(zygote_after=0.0)
    shop = make()
    await shop.warmed()
    a = await plain.says(await plain.start())
    b = await shop.says(await shop.start())
    same = ("argv", "path", "signals", "nice", "score", "main", "executable", "flag")
    assert {name: a[name] for name in same} == {name: b[name] for name in same}
    own = {"PORT", "TMPDIR", "HEARTH_OUT", "HEARTH_ALIVE_FD", "HEARTH_INSTANCE", "HEARTH_SERVER", "HEARTH_RUN",
           "HEARTH_READY", "HEARTH_IMPORTS", "HEARTH_IMPORTS_OVER",
           "HOME", "XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME"}  # fmt: skip
    assert {k: v for k, v in a["environ"].items() if k not in own} == {
        k: v for k, v in b["environ"].items() if k not in own
    }
    kinds = [sorted(where.split(":")[0] for where in said["fds"].values()) for said in (a, b)]
    assert kinds[0] == kinds[1], (a["fds"], b["fds"])


async def test_each_has_its_own_folders_variables_and_random_numbers(shop: Workshop) -> None:
    await shop.warmed()
    one, two = [await shop.says(await shop.start()) for _ in range(2)]
    for name in ("random", "tmp", "cwd", "pid", "session"):
        assert one[name] != two[name]
    for said in (one, two):
        assert said["tmp"] == said["environ"]["TMPDIR"]
        assert f"HEARTH_INSTANCE={said['environ']['HEARTH_INSTANCE']}" in said["shown"]


async def test_secrets_reach_instances_and_not_the_zygote(make: Make) -> None:
    shop = make(variables={"HF_TOKEN": "hush", "HEAVY_FLAG": "on"})
    await shop.warmed()
    instance = await shop.start(variables={"PRIVATE_KEY": "mine"})
    said = await shop.says(instance)
    assert instance.forked
    assert (said["environ"]["HF_TOKEN"], said["environ"]["PRIVATE_KEY"], said["flag"]) == ("hush", "mine", "on")
    (known,) = shop.runtime.zygotes()
    shown = processes.marked("HEAVY_FLAG=on")[known.pid]
    assert "hush" not in shown


async def test_models_with_other_variables_have_another_zygote(shop: Workshop) -> None:
    await shop.warmed(recipe={"HEAVY_FLAG": "one"})
    other = await shop.start(recipe={"HEAVY_FLAG": "two"})
    assert not other.forked
    assert (await shop.says(other))["flag"] == "two"
    await shop.runtime.zygotes_settled()
    assert len(shop.runtime.zygotes()) == 2
    one, two = [await shop.start(recipe={"HEAVY_FLAG": flag}) for flag in ("one", "two")]
    assert one.forked
    assert two.forked
    assert [(await shop.says(i))["flag"] for i in (one, two)] == ["one", "two"]


async def test_what_a_later_model_imports_joins_the_zygote(shop: Workshop, built: Environment) -> None:
    (site,) = built.path.glob("lib/python*/site-packages")
    (site / "heavier.py").write_text(textwrap.dedent(LIBRARIES["heavy"]))
    first = await shop.warmed()
    await (await shop.start(library="heavier")).stop(0)
    await shop.runtime.zygotes_settled()
    (known,) = shop.runtime.zygotes()
    assert known.id != first
    instance = await shop.start(library="heavier")
    assert instance.forked
    assert "heavier" in json.loads((built.path / zygotes.IMPORTS).read_text())["modules"]


# Cancel, children, async


async def test_a_busy_loop_is_cancelled(shop: Workshop) -> None:
    await shop.warmed()
    code = """
        import heavy
        class Predictor:
            def run(self) -> str:
                print("looping", flush=True)
                while True:
                    pass
    """
    instance = await shop.start(code)
    assert instance.forked
    began = asyncio.Event()
    job = Job(id=ids.sortable(), input={})
    running = asyncio.create_task(instance.run(job, lambda _: began.set()))
    await began.wait()
    assert await instance.cancel(job.id)
    assert (await running).status == "canceled"


async def test_async_models_run_and_are_cancelled(shop: Workshop) -> None:
    await shop.warmed()
    code = """
        import asyncio
        import heavy
        class Predictor:
            async def setup(self):
                await asyncio.sleep(0)
            async def run(self, wait: float) -> str:
                print("waiting", flush=True)
                await asyncio.sleep(wait)
                return "done"
    """
    instance = await shop.start(code, is_async=True, concurrency=4)
    assert instance.forked
    began = asyncio.Event()
    job = Job(id=ids.sortable(), input={"wait": 600.0})
    running = asyncio.create_task(instance.run(job, lambda _: began.set()))
    await began.wait()
    others = await asyncio.gather(*(run(instance, wait=0.01) for _ in range(3)))
    assert [outcome.output for outcome in others] == ["done"] * 3
    assert await instance.cancel(job.id)
    assert (await running).status == "canceled"


async def test_children_run_the_real_python(shop: Workshop) -> None:
    await shop.warmed()
    code = """
        import multiprocessing, os, subprocess, sys
        import heavy
        def square(n):
            return n * n
        class Predictor:
            def run(self) -> dict:
                code = "import sys; print(sys.prefix)"
                found = subprocess.run(["python", "-c", code], capture_output=True, text=True)
                pools = {}
                for way in ("fork", "spawn"):
                    with multiprocessing.get_context(way).Pool(2) as pool:
                        pools[way] = pool.map(square, range(4))
                pid = os.fork()
                if pid == 0:
                    os._exit(7)
                return {"python": found.stdout.strip(), "code": found.returncode, "pools": pools,
                        "forked": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "path": os.environ["PATH"]}
    """
    instance = await shop.start(code)
    assert instance.forked
    output = await shop.says(instance)
    assert (output["python"], output["code"], output["forked"]) == (str(shop.environment.path), 0, 7)
    assert output["pools"] == {way: [0, 1, 4, 9] for way in ("fork", "spawn")}
    assert output["path"].startswith(str(shop.environment.bin))


# Failures


async def test_a_failing_setup_says_the_same(shop: Workshop) -> None:
    code = """
        import heavy
        class Predictor:
            def setup(self):
                print("loading")
                raise ValueError("no weights")
            def run(self) -> str:
                return "x"
    """
    await shop.warmed()
    with pytest.raises(SetupFailed) as forked:
        await shop.start(code)
    (id,) = [known.id for known in shop.runtime.zygotes()]
    assert shop.runtime.zygotes()[0].forks == 1
    await shop.runtime.end_zygote(id)
    with pytest.raises(SetupFailed) as plain:
        await shop.start(code)
    assert forked.value.message == plain.value.message == "The model's setup failed: ValueError: no weights"

    def words(error: SetupFailed) -> list[str]:
        return [line.split(", line")[-1] for line in error.logs.splitlines()]

    assert words(forked.value) == words(plain.value)
    assert "loading" in forked.value.logs


async def test_a_killed_worker_is_a_lost_instance(shop: Workshop) -> None:
    await shop.warmed()
    instance = await shop.start()
    os.kill((await shop.says(instance))["pid"], signal.SIGKILL)
    assert "SIGKILL" in await instance.lost
    with pytest.raises(InstanceLost):
        await run(instance)
    assert shop.runtime.zygotes()
    assert (await shop.start()).forked


async def test_a_killed_zygote_leaves_its_instances_and_is_replaced(
    shop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    first = await shop.warmed()
    instance = await shop.start()
    caplog.clear()
    os.kill(shop.runtime.zygotes()[0].pid, signal.SIGKILL)
    second = await shop.start()
    assert not second.forked
    assert (await run(instance)).status == "succeeded"
    assert sum(record.levelno >= logging.WARNING for record in caplog.records) == 1
    await shop.runtime.zygotes_settled()
    (known,) = shop.runtime.zygotes()
    assert known.id != first
    assert (await shop.start()).forked
    pid = (await instance.usage()).pid
    await instance.stop(1)
    assert (found := processes.find(pid)) is None or not found.alive


async def test_a_zygote_that_hangs_costs_its_patience_and_no_more(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.warmed()
    monkeypatch.setattr(zygote, "FORK_PATIENCE", 0.2)
    pid = shop.runtime.zygotes()[0].pid
    os.kill(pid, signal.SIGSTOP)
    instance = await shop.start()
    assert not instance.forked
    assert "did not answer" in instance.how
    assert any("did not answer" in line for line in shop.logs)
    assert (await run(instance)).status == "succeeded"
    await until(lambda: (found := processes.find(pid)) is None or not found.alive)


async def test_cancelling_a_forked_boot_ends_it(shop: Workshop) -> None:
    await shop.warmed()
    code = "import heavy, time\nclass Predictor:\n    def setup(self): time.sleep(600)\n    def run(self) -> str: ..."
    in_setup = asyncio.Event()

    def phase(begins: BootPhase) -> None:
        if begins is BootPhase.SETUP:
            in_setup.set()

    spec = shop.spec(code)
    starting = asyncio.create_task(shop.runtime.start(spec, lambda _: None, phase))
    await in_setup.wait()
    assert left(spec.id)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert left(spec.id) == []


@pytest.mark.parametrize("at", [BootPhase.ENVIRONMENT, BootPhase.PROCESS, BootPhase.IMPORT])
async def test_cancelling_at_any_moment_leaves_nothing(shop: Workshop, at: BootPhase) -> None:
    await shop.warmed()
    spec = shop.spec()
    starting: asyncio.Task[Any]

    def phase(begins: BootPhase) -> None:
        if begins is at:
            asyncio.get_running_loop().call_soon(starting.cancel)

    starting = asyncio.create_task(shop.runtime.start(spec, lambda _: None, phase))
    with pytest.raises(asyncio.CancelledError):
        await starting
    (known,) = shop.runtime.zygotes()
    assert left(spec.id) == []
    await until(lambda: not [p for p in processes.family(known.pid) if p.alive and p.pid != known.pid])


def left(id: str) -> list[int]:
    return list(processes.marked(f"HEARTH_INSTANCE={id}"))


async def test_stop_finds_what_a_fork_left_behind(shop: Workshop) -> None:
    await shop.warmed()
    code = """
        import os, time
        import heavy
        class Predictor:
            def run(self) -> int:
                read, write = os.pipe()
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        os.write(write, str(os.getpid()).encode())
                        time.sleep(600)
                    os._exit(0)
                os.wait()
                return int(os.read(read, 20))
    """
    instance = await shop.start(code)
    assert instance.forked
    orphan = (await run(instance)).output
    found = processes.find(orphan)
    assert found is not None
    assert found.alive
    await instance.stop(1)
    assert (found := processes.find(orphan)) is None or not found.alive


# Libraries that must not be forked


@pytest.mark.parametrize(
    ("library", "because"),
    [
        ("threads", "starts a thread"),
        ("sockets", "keeps socket"),
        ("daemons", "starts a process"),
        ("torch", "uses the GPU"),
        ("badfork", "uses the GPU"),
    ],
)
async def test_what_does_not_survive_a_fork_stays_out(
    shop: Workshop, caplog: pytest.LogCaptureFixture, library: str, because: str
) -> None:
    await shop.warmed(library=library)
    known = json.loads((shop.environment.path / zygotes.IMPORTS).read_text())
    assert because in known["unfit"][library], known["unfit"]
    assert sum("stays out" in record.message for record in caplog.records) == 1
    instance = await shop.start(library=library)
    said = await shop.says(instance)
    assert instance.forked
    assert library in instance.how
    assert because in instance.how
    assert said["heavy"] == shop.runtime.zygotes()[0].pid


async def test_a_module_of_the_models_own_wins(shop: Workshop) -> None:
    await shop.warmed()
    code = "import heavy\nclass Predictor:\n    def run(self) -> str: return heavy.WORD"
    instance = await shop.start(code, files={"heavy.py": "WORD = 'mine'"})
    assert not instance.forked
    assert "heavy.py" in instance.how
    assert (await run(instance)).output == "mine"
    instance = await shop.start(code, files={"heavy/__init__.py": "WORD = 'a package'"})
    assert (await run(instance)).output == "a package"
    instance = await shop.start(files={"heavy/notes.txt": "no module"})
    assert instance.forked


# Their end


async def test_one_that_nobody_needs_ends(make: Make) -> None:
    shop = make(zygote_idle=0.05)
    first = await shop.start()
    await shop.runtime.zygotes_settled()
    await until(lambda: not shop.runtime.zygotes())
    assert (await run(first)).status == "succeeded"


async def test_its_memory_can_be_had_back(shop: Workshop) -> None:
    id = await shop.warmed()
    instance = await shop.start()
    pid = shop.runtime.zygotes()[0].pid
    await shop.runtime.end_zygote(id)
    await shop.runtime.end_zygote(id)
    assert shop.runtime.zygotes() == []
    assert (found := processes.find(pid)) is None or not found.alive
    assert (await run(instance)).status == "succeeded"
    assert not (await shop.start()).forked


async def test_short_of_memory_there_are_none(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zygotes, "SHORT", 1.0)
    await shop.start()
    await shop.runtime.zygotes_settled()
    assert shop.runtime.zygotes() == []


def ends(pids: list[int]) -> Awaitable[None]:
    return until(lambda: not any((found := processes.find(pid)) is not None and found.alive for pid in pids))


async def test_a_killed_server_takes_all_with_it(built: Environment, tmp_path: Path, make: Make) -> None:
    make()  # nothing is known of the environment
    program = f"""
        import asyncio, os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_zygote
        from hearth.cog.build import Environments
        from hearth.runtime.process import ProcessRuntime
        from pathlib import Path
        async def main():
            kept = Environments(Path({str(built.path.parents[1])!r}), environ=os.environ)
            runtime = ProcessRuntime(Path({str(tmp_path / "server")!r}), kept, environ=os.environ, zygote_after=0.3)
            shop = test_zygote.Workshop(runtime, kept.get({built.key!r}), Path({str(tmp_path / "m")!r}))
            await shop.warmed()
            instance = await shop.start()
            assert instance.forked
            pids = runtime.zygotes()[0].pid, (await shop.says(instance))["pid"], (await instance.usage()).pid
            print(*pids, flush=True)
            await asyncio.sleep(600)
        asyncio.run(main())
    """
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(program), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    pids: list[int] = []
    try:
        pids = [int(pid) for pid in (await server.stdout.readline()).split()]
        assert len(pids) == 3
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.kill()
        await server.wait()
        root = tmp_path / "server"
        Shortcuts(root, Owner.of(root)).sweep()  # as its next start does
    await ends(pids)
