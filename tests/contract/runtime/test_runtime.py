"""What every runtime promises, with real coglets and the models of `tests/models`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import textwrap
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hearth import ids
from hearth.domain.boot import BootPhase
from hearth.errors import InstanceLost, SetupFailed, Unavailable
from hearth.runtime import boot, instance, processes
from hearth.runtime.base import FILE_INPUT, FILE_OUTPUT, Began, Emission, Job, Logged, Measured, Yielded

if TYPE_CHECKING:
    from .conftest import Models


def texts(emissions: list[Emission]) -> str:
    return "".join(e.text for e in emissions if isinstance(e, Logged))


def items(emissions: list[Emission]) -> list[object]:
    return [e.value for e in emissions if isinstance(e, Yielded)]


def content(value: object) -> str:
    """Of a file output."""
    assert isinstance(value, str)
    assert value.startswith(FILE_OUTPUT)
    return Path(value.removeprefix(FILE_OUTPUT)).read_text()


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


async def test_a_prediction_begins_and_returns_its_output(models: Models) -> None:
    noop = await models.start("noop")
    outcome, emissions = await noop.heard(text="hello")
    assert (outcome.status, outcome.output, outcome.error) == ("succeeded", "hello", None)
    assert outcome.metrics["predict_time"] >= 0
    assert emissions == [Began()]


async def test_phases_are_announced_in_order_and_lines_of_setup_come_live(models: Models) -> None:
    spec = await models.spec("setup-logs")
    heard: list[str] = []
    instance = await models.runtime.start(spec, heard.append, lambda phase: heard.append(f"<{phase}>"))
    models.started.append(instance)
    assert [line for line in heard if line.startswith("<")] == ["<environment>", "<process>", "<import>", "<setup>"]
    assert heard.index("<setup>") < heard.index("from stdout")
    assert not any("hearth-phase" in line for line in heard)
    for line in ("from stdout", "from stderr", "from a child"):
        assert line in heard
        assert f"{line}\n" in instance.setup_logs


async def test_lines_of_a_slow_setup_arrive_before_it_ends(models: Models) -> None:
    spec = await models.spec("setup-slow")
    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def log(_: str) -> None:
        if not first.done():
            first.set_result(None)

    starting = asyncio.create_task(models.runtime.start(spec, log))
    await first
    assert not starting.done()
    models.started.append(await starting)


WAITS = """
def wait_for(path):
    for _ in range(6000):
        if os.path.exists(path):
            return
        time.sleep(0.01)
    raise TimeoutError(path)
"""
"""For a model that goes on once the test has seen something, and makes a file."""


async def test_items_arrive_while_the_model_runs(models: Models, tmp_path: Path) -> None:
    code = f"""
import os, time
from cog import BaseRunner, ConcatenateIterator
{WAITS}
class Predictor(BaseRunner):
    def run(self, seen: str) -> ConcatenateIterator[str]:
        for number in range(5):
            yield str(number)
            wait_for(f"{{seen}}-{{number}}")
"""
    model = await models.start(models.folder(code))

    seen: list[object] = []

    def emit(emission: Emission) -> None:
        if isinstance(emission, Yielded):
            seen.append(emission.value)
            tmp_path.joinpath(f"seen-{emission.value}").touch()

    assert (await model.run(emit=emit, seen=str(tmp_path / "seen"))).status == "succeeded"
    assert seen == ["0", "1", "2", "3", "4"]


async def test_items_of_an_async_model_arrive_while_it_runs(models: Models) -> None:
    stream = await models.start("async-stream")
    running: asyncio.Task[object]
    seen: list[bool] = []

    def emit(emission: Emission) -> None:
        if isinstance(emission, Yielded):
            seen.append(running.done())

    running = asyncio.create_task(stream.run(emit=emit, count=5, delay=0.02))
    await running
    assert seen == [False] * 5


async def test_logs_come_with_the_prediction_that_printed_them(models: Models) -> None:
    logs = await models.start("logs")
    for what, expected in (("stdout", "stdout line 2\n"), ("half", "half a line"), ("bytes", "漢字 🙂")):
        outcome, emissions = await logs.heard(what=what)
        assert outcome.status == "succeeded"
        assert expected in texts(emissions)
    outcome, emissions = await logs.heard(what="stderr", count=0)
    assert texts(emissions) == ""


async def test_logs_of_child_processes_come_with_the_only_prediction_that_runs(models: Models, tmp_path: Path) -> None:
    code = f"""
import os, subprocess, time
{WAITS}
class Predictor:
    def run(self, seen: str) -> str:
        subprocess.run(["/bin/sh", "-c", "echo from a child; echo its errors >&2"], check=True)
        wait_for(seen)
        return "done"
"""
    model = await models.start(models.folder(code))
    heard: list[Emission] = []

    def emit(emission: Emission) -> None:
        heard.append(emission)
        if "from a child\n" in texts(heard) and "its errors\n" in texts(heard):
            tmp_path.joinpath("seen").touch()

    assert (await model.run(emit=emit, seen=str(tmp_path / "seen"))).output == "done"


async def test_bursts_of_lines_arrive_whole(models: Models) -> None:
    logs = await models.start("logs")
    for what in ("stdout", "stderr") * 5:
        outcome, emissions = await logs.heard(what=what, count=10_000)
        assert outcome.status == "succeeded"
        assert texts(emissions) == "".join(f"{what} line {n}\n" for n in range(10_000))


@pytest.mark.parametrize("model", ["many-chunks", "async-stream"])
async def test_bursts_of_items_arrive_whole(models: Models, model: str) -> None:
    source = await models.start(model)
    for _ in range(5):
        outcome, emissions = await source.heard(count=5_000, **({"delay": 0} if model == "async-stream" else {}))
        assert outcome.status == "succeeded"
        assert len(items(emissions)) == 5_000


async def test_an_error_of_the_model_is_an_outcome_with_a_traceback_in_the_logs(models: Models) -> None:
    failing = await models.start("failing")
    outcome, emissions = await failing.heard(kind="value")
    assert outcome.status == "failed"
    assert outcome.error
    assert "Traceback" in texts(emissions)
    assert (await failing.run(kind="exit")).status == "failed"
    assert not failing.instance.lost.done()


async def test_items_made_before_a_failure_are_kept(models: Models) -> None:
    outcome, emissions = await (await models.start("stream-fails")).heard(after=3)
    assert outcome.status == "failed"
    assert items(emissions) == ["chunk 0 ", "chunk 1 ", "chunk 2 "]


async def test_metrics_are_passed_on_and_collected(models: Models) -> None:
    outcome, emissions = await (await models.start("metrics")).heard(tokens=2)
    assert Measured("output_token_count", 1, "incr") in emissions
    assert outcome.metrics["output_token_count"] == 2
    assert outcome.metrics["temperature"] == 0.7


async def test_lines_of_children_that_were_waited_for_are_complete(models: Models) -> None:
    logs = await models.start("logs")
    for _ in range(50):
        _, emissions = await logs.heard(what="child")
        assert sorted(texts(emissions).splitlines()) == ["from a child", "its errors"]


async def test_long_output_of_children_is_complete_and_nothing_is_added(models: Models) -> None:
    folder = models.folder(
        """
        import subprocess
        class Predictor:
            def run(self, fail: bool = False) -> str:
                subprocess.run(["/bin/sh", "-c", "seq 1 2000; printf 'no line end'"], check=True)
                if fail:
                    raise ValueError("after its child")
                return "done"
        """
    )
    chatty = await models.start(folder)
    for fail in (False, True):
        outcome, emissions = await chatty.heard(fail=fail)
        printed = texts([e for e in emissions if isinstance(e, Logged) and e.text[0] in "0123456789"])
        # coglet breaks lines where its buffer of 4096 bytes ends
        assert "".join(printed.split()) == "".join(map(str, range(1, 2001)))
        assert texts(emissions).count("no line end\n") == 1
        assert "hearth" not in texts(emissions)
        assert outcome.metrics.keys() == {"predict_time"}


async def test_what_the_boot_tells_is_in_no_prediction_s_logs(models: Models) -> None:
    """On a busy machine coglet passes such a line on when the first prediction runs already."""
    folder = models.folder(
        """
        import subprocess
        class Predictor:
            def run(self) -> str:
                subprocess.run(["/bin/sh", "-c", "echo hearth-phase:setup >&2; echo mine >&2"], check=True)
                return "done"
        """
    )
    outcome, emissions = await (await models.start(folder)).heard()
    assert outcome.output == "done"
    assert texts(emissions) == "mine\n"


async def test_context_reaches_the_model(models: Models) -> None:
    context = await models.start("context")
    job = Job(id=ids.sortable(), input={}, context={"tenant": "blue"})
    outcome = await context.instance.run(job, lambda _: None)
    assert outcome.output == {"tenant": "blue"}


async def test_files_go_in_by_path(models: Models, tmp_path: Path) -> None:
    files = []
    for name, content in (("one.txt", b"first"), ("two.bin", b"\0" * 3_000_000)):
        (tmp_path / name).write_bytes(content)
        files.append((f"{FILE_INPUT}{tmp_path / name}", hashlib.sha256(content).hexdigest()))
    echo = await models.start("files-echo")
    outcome = await echo.run(file=files[0][0], more=[files[1][0]])
    assert [found["sha256"] for found in outcome.output] == [sha for _, sha in files]


async def test_files_come_out_by_path_in_order(models: Models) -> None:
    outcome = await (await models.start("output-list-path")).run(count=5)
    assert [content(value) for value in outcome.output] == [f"page {n}" for n in range(5)]


async def test_a_model_that_groups_takes_lists_and_returns_them(models: Models, tmp_path: Path) -> None:
    paper = tmp_path / "paper.txt"
    paper.write_text("I say ")
    batched = await models.start("batched")
    outcome = await batched.run(text=["one", "bad"], image=[f"{FILE_INPUT}{paper}"] * 2)
    assert content(outcome.output[0]) == "I say one"
    assert outcome.output[1] == {"hearth_error": "that is not a word"}
    outcome = await batched.run(text=["one"], image=f"{FILE_INPUT}{paper}")
    assert outcome.status == "failed"  # coglet has the plural form of the schema


async def test_files_of_an_iterator_come_as_they_are_made(models: Models) -> None:
    outcome, emissions = await (await models.start("output-iterator-path")).heard(count=2)
    assert outcome.status == "succeeded"
    assert [content(value) for value in items(emissions)] == ["page 0", "page 1"]
    kinds = [type(e) for e in emissions if not isinstance(e, Began)]
    assert kinds == [Logged, Yielded, Logged, Yielded]


@pytest.mark.parametrize("model", ["output-missing-file", "output-folder", "output-nan"])
async def test_an_output_that_cannot_be_handed_over_is_a_failure_that_says_why(models: Models, model: str) -> None:
    outcome = await (await models.start(model)).run()
    assert outcome.status == "failed"
    assert outcome.error


async def test_a_model_cannot_hand_out_files_of_the_machine(models: Models, tmp_path: Path) -> None:
    folder = models.folder(
        """
        import os
        class Sneaky(str):
            def startswith(self, *arguments):
                return False
        class Predictor:
            def run(self, path: str = "", link: bool = False) -> list[str]:
                if link:
                    inside = os.environ["HEARTH_OUT"] + "/innocent.txt"
                    os.symlink(path, inside)
                    path = inside
                import gc
                names = (each for each in gc.get_objects() if type(each) is dict and "CHUNK_METRIC" in each)
                next(wrapper for wrapper in names if "TEXT" in wrapper)["TEXT"] = ""
                return ["hearth-out://" + path]
        """
    )
    (tmp_path / "secret.txt").write_text("not yours")
    sneaky = await models.start(folder)
    for link in (False, True):
        outcome = await sneaky.run(path=str(tmp_path / "secret.txt"), link=link)
        assert outcome.status == "failed"
        assert "outside the output folder" in str(outcome.error)


async def test_a_model_has_room_for_the_names_of_its_sockets(models: Models, tmp_path: Path) -> None:
    """They lie in the temporary folder, and a socket's path has room for 107 characters."""
    folder = models.folder(
        """
        import multiprocessing, os, tempfile
        class Predictor:
            def run(self) -> list[str]:
                with multiprocessing.Manager() as manager:
                    held = manager.dict(said="hello")
                    return [held["said"], tempfile.gettempdir(), os.path.realpath(tempfile.gettempdir())]
        """
    )
    model = await models.start(folder)
    outcome = await model.run()
    assert outcome.status == "succeeded", outcome.error
    said, short, real = outcome.output
    assert said == "hello"
    assert Path(real).is_relative_to(tmp_path)
    await model.instance.stop(30)
    assert not await asyncio.to_thread(os.path.lexists, short)


async def test_a_text_that_looks_like_a_file_is_never_taken_for_one(models: Models) -> None:
    outcome = await (await models.start("output-any")).run(value={"text": "hearth-out:///etc/hostname"})
    assert outcome.status == "failed"
    assert "hearth-out://" in str(outcome.error)


async def test_cancel_ends_a_running_prediction_and_the_instance_serves_on(models: Models) -> None:
    sleeper = await models.start("sleeper")
    begun = asyncio.Event()

    def emit(emission: Emission) -> None:
        if isinstance(emission, Logged):
            begun.set()

    id = ids.sortable()
    running = asyncio.create_task(sleeper.run(emit=emit, id=id, seconds=60))
    await begun.wait()
    assert await sleeper.instance.cancel(id)
    assert (await running).status == "canceled"
    assert not await sleeper.instance.cancel(id)
    assert (await sleeper.run(seconds=0)).output == "slept"


@pytest.mark.parametrize("model", ["sleeper", "async-sleeper"])
async def test_a_cancel_that_comes_with_the_beginning_is_heard(models: Models, model: str) -> None:
    sleeper = await models.start(model)
    for _ in range(20):
        begun = asyncio.Event()
        id = ids.sortable()
        running = asyncio.create_task(
            sleeper.run(emit=lambda e, begun=begun: begun.set() if isinstance(e, Began) else None, id=id, seconds=60)  # type: ignore[misc]
        )
        await begun.wait()
        assert await sleeper.instance.cancel(id)
        async with asyncio.timeout(20):
            assert (await running).status == "canceled"


async def test_cancelling_the_task_cancels_the_prediction(models: Models) -> None:
    sleeper = await models.start("async-sleeper")
    begun = asyncio.Event()

    def emit(emission: Emission) -> None:
        if isinstance(emission, Logged):
            begun.set()

    running = asyncio.create_task(sleeper.run(emit=emit, seconds=60))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await sleeper.run(seconds=0)).output == "slept"


async def test_a_slot_that_a_given_up_prediction_holds_makes_the_instance_lost(models: Models) -> None:
    sleeper = await models.start("sleeper")
    begun = asyncio.Event()

    def emit(emission: Emission) -> None:
        if isinstance(emission, Logged):
            begun.set()

    running = asyncio.create_task(sleeper.run(emit=emit, seconds=60, mode="call"))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(InstanceLost) as caught:
        await sleeper.run(seconds=0)
    assert not caught.value.started
    assert "holds its slot" in await sleeper.instance.lost


async def test_slots_are_counted(models: Models) -> None:
    sleeper = await models.start("sleeper")
    assert sleeper.instance.slots == 1
    running = asyncio.create_task(sleeper.run(seconds=60))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await sleeper.run(seconds=0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_async_models_run_several_at_a_time(models: Models) -> None:
    many = await models.start("async-concurrent")
    assert many.instance.slots == 8
    heard = await asyncio.gather(*(many.heard(name=f"n{n}", seconds=0.3) for n in range(8)))
    assert max(outcome.output["together"] for outcome, _ in heard) == 8
    for n, (outcome, emissions) in enumerate(heard):
        assert outcome.output["name"] == f"n{n}"
        assert texts(emissions) == f"n{n} begins\nn{n} ends\n"


async def test_predictions_in_a_row_never_meet_a_full_instance(models: Models) -> None:
    noop = await models.start("noop")
    for n in range(200):
        assert (await noop.run(text=str(n))).output == str(n)


async def test_a_failed_setup_says_why_and_leaves_nothing(models: Models) -> None:
    spec = await models.spec("setup-fails")
    with pytest.raises(SetupFailed) as caught:
        await models.runtime.start(spec, lambda _: None)
    assert caught.value.message == "The model's setup failed: FileNotFoundError: weights.bin is missing"
    for said in ("looking for the weights", "they are not there", "Traceback", "in setup"):
        assert said in caught.value.logs
    for ours in ("wrapper.py", "loading.py", "frozen importlib"):
        assert ours not in caught.value.logs
    assert models.left(spec.id) == []


@pytest.mark.parametrize(
    ("death", "reason"),
    [
        ("os._exit(7)", "exited with code 7"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL (out of memory?)"),
    ],
)
async def test_a_death_in_setup_says_how_and_leaves_nothing(
    models: Models, death: str, reason: str, tmp_path: Path
) -> None:
    # coglet drops what was printed in the last moment before a crash; hence the wait. And a forked worker that dies
    # before anybody has looked is mistaken for the script that stands in for it; hence the sleep.
    heard = tmp_path / "heard"
    code = f"""
import os, time
{WAITS}
class Predictor:
    def setup(self):
        print("half of the weights are loaded", flush=True)
        wait_for({str(heard)!r})
        time.sleep(0.5)
        {death}
    def run(self) -> str:
        return "ready"
"""
    spec = await models.spec(models.folder(code))
    with pytest.raises(SetupFailed) as caught:
        await models.runtime.start(spec, lambda _: heard.touch())
    assert reason in caught.value.message
    assert "half of the weights are loaded" in caught.value.logs
    assert models.left(spec.id) == []


async def test_a_silent_death_in_setup_has_no_logs(models: Models) -> None:
    folder = models.folder(
        """
        import os
        class Predictor:
            def setup(self):
                os._exit(7)
            def run(self) -> str:
                return "ready"
        """
    )
    with pytest.raises(SetupFailed) as caught:
        await models.runtime.start(await models.spec(folder), lambda _: None)
    assert caught.value.logs == "", "not coglet's own words"


async def test_a_setup_that_hangs_is_ended_at_its_deadline(models: Models) -> None:
    spec = await models.spec("setup-hangs", setup_timeout=1.5)
    with pytest.raises(SetupFailed) as caught:
        await models.runtime.start(spec, lambda _: None)
    assert "longer than 1.5 seconds" in caught.value.message
    assert "waiting for something" in caught.value.logs
    assert models.left(spec.id) == []


HANG = {
    "in C code, holding the interpreter and deaf to signals": """
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
        ctypes.PyDLL(None).sleep(3600)
    """,
    "in a child that has left the group": """
        if os.fork() == 0:
            os.setsid()
            time.sleep(3600)
        time.sleep(3600)
    """,
    "printing without end": """
        while True:
            print("still at it")
    """,
    "printing without a line end": """
        while True:
            os.write(2, b"." * 65536)
    """,
    "with standard output and error closed": """
        sys.stdout.close()
        os.close(1)
        os.close(2)
        time.sleep(3600)
    """,
}


@pytest.mark.parametrize("how", HANG)
async def test_the_deadline_of_setup_always_strikes(models: Models, how: str) -> None:
    code = f"""
import ctypes, os, signal, sys, time
from cog import BaseRunner

class Predictor(BaseRunner):
    def setup(self) -> None:
        {textwrap.indent(textwrap.dedent(HANG[how]), "        ").strip()}

    def run(self) -> str:
        return "ready"
"""
    spec = await models.spec(models.folder(code), setup_timeout=2.0)
    with pytest.raises(SetupFailed, match="setup failed"):
        async with asyncio.timeout(60):
            await models.runtime.start(spec, lambda _: None)
    assert models.left(spec.id) == []


async def test_a_model_that_says_it_is_not_well_after_setup_is_waited_for(models: Models) -> None:
    code = """
        import time
        from cog import BaseRunner

        class Predictor(BaseRunner):
            def setup(self) -> None:
                self.ready_at = time.time() + 0.5

            def healthcheck(self) -> bool:
                return time.time() >= self.ready_at

            def run(self) -> bool:
                return self.healthcheck()
    """
    assert (await (await models.start(models.folder(code))).run()).output is True
    folder = models.folder(code.replace("0.5", "3600"))
    for limit in (1.0, 5.0, 25.0, 50.0):  # the first that outlasts a boot on this machine, however busy
        spec = await models.spec(folder, setup_timeout=limit)
        with pytest.raises(SetupFailed, match=f"longer than {limit:g} seconds") as caught:
            await models.runtime.start(spec, lambda _: None)
        if "and its health check says" in caught.value.message:
            return
    raise AssertionError("its health check was never asked")


async def test_a_model_that_cannot_be_reached_after_setup_is_started_again(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "DEAF_AFTER", 1)  # of 10 seconds each
    code = f"""
        import ctypes
        from pathlib import Path
        from cog import BaseRunner

        FIRST = Path.home() / "deaf-{uuid.uuid4().hex}"

        class Predictor(BaseRunner):
            def setup(self) -> None:
                pass

            def healthcheck(self) -> bool:
                if not FIRST.exists():
                    FIRST.touch()
                    ctypes.PyDLL(None).sleep(3600)  # with the interpreter's lock
                return True

            def run(self) -> str:
                return "here"
    """
    model = await models.start(models.folder(code), setup_timeout=600.0)
    assert (await model.run()).output == "here"
    assert "started again" in "\n".join(model.setup)


@pytest.mark.parametrize("held", range(94, 100))
async def test_descriptors_of_any_number_may_be_open(models: Models, held: int) -> None:
    # coglet's worker puts its own on 99 to 101, whatever was there, and takes its orders from 99.
    with contextlib.ExitStack() as stack:
        for number in iter(lambda: os.open(os.devnull, os.O_RDONLY), None):
            stack.callback(os.close, number)
            if number >= held:
                break
        model = await models.start("noop", setup_timeout=8.0)
        assert await model.instance.check() is None


async def test_a_model_whose_end_of_setup_gets_lost_is_started_again(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "LOST_AFTER", 0.5)
    code = f"""
        import os
        import time
        from pathlib import Path
        from cog import BaseRunner

        FIRST = Path.home() / "lost-{uuid.uuid4().hex}"

        class Predictor(BaseRunner):
            def setup(self) -> None:
                if not FIRST.exists():
                    FIRST.touch()
                    Path(os.environ["HEARTH_READY"]).touch()  # so it has ended, and coglet does not hear of it
                    time.sleep(3600)

            def run(self) -> str:
                return "here"
    """
    model = await models.start(models.folder(code), setup_timeout=600.0)
    assert (await model.run()).output == "here"
    assert "started again" in "\n".join(model.setup)


async def test_a_model_tells_when_it_is_ill(models: Models) -> None:
    model = await models.start("healthcheck")
    assert await model.instance.check() is None
    await model.run(healthy=False)
    assert "its health check failed" in (await model.instance.check() or "")
    crasher = await models.start("crasher")
    with pytest.raises(InstanceLost):
        await crasher.run(how="kill")
    assert "SIGKILL" in (await crasher.instance.check() or "")


async def test_cancelling_a_start_ends_it(models: Models) -> None:
    spec = await models.spec("setup-hangs")
    in_setup = asyncio.Event()

    def phase(begins: BootPhase) -> None:
        if begins is BootPhase.SETUP:
            in_setup.set()

    starting = asyncio.create_task(models.runtime.start(spec, lambda _: None, phase))
    await in_setup.wait()
    assert models.left(spec.id)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert models.left(spec.id) == []


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("exit", "exited with code 3"),
        ("segfault", "killed by SIGSEGV"),
        ("kill", "killed by SIGKILL (out of memory?)"),
    ],
)
async def test_the_death_of_the_model_is_a_lost_instance_with_its_reason(models: Models, how: str, words: str) -> None:
    crasher = await models.start("crasher")
    with pytest.raises(InstanceLost) as caught:
        await crasher.run(how=how)
    assert caught.value.started
    assert words in caught.value.message
    assert words in await crasher.instance.lost
    assert caught.value.message.count("was") <= 1, "says it once"
    assert "slot" not in caught.value.logs, "coglet's own words"
    with pytest.raises(InstanceLost) as again:
        await crasher.run(how="none")
    assert not again.value.started


async def test_the_death_of_an_idle_model_is_noticed_by_itself(models: Models) -> None:
    crasher = await models.start("crasher")
    assert (await crasher.run(how="kill", later=0.05)).status == "succeeded"
    async with asyncio.timeout(60):
        assert "killed by SIGKILL" in await crasher.instance.lost


async def test_an_instance_that_hangs_before_it_begins_is_lost(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    noop = await models.start("noop")
    monkeypatch.setattr(instance, "BEGIN_PATIENCE", 0.1)
    monkeypatch.setattr(instance, "CHECK_PATIENCE", 0.5)
    pid = (await noop.instance.usage()).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    while (found := processes.find(pid)) is not None and not found.stopped:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.01)
    with pytest.raises(InstanceLost, match=r"did not begin a prediction within 0\.1 s, and it did not answer"):
        await noop.run(text="hello")


async def test_one_that_begins_late_but_answers_is_waited_for(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    noop = await models.start("noop")
    monkeypatch.setattr(instance, "BEGIN_PATIENCE", 0.0)
    for n in range(5):
        assert (await noop.run(text=str(n))).output == str(n)


async def test_a_process_that_somebody_stopped_goes_on(models: Models) -> None:
    noop = await models.start("noop")
    pid = (await noop.instance.usage()).pid
    assert pid is not None
    for victim in (pid, *(child.pid for child in processes.family(pid) if child.parent == pid and child.alive)):
        os.kill(victim, signal.SIGSTOP)
        while (found := processes.find(victim)) is not None and not found.stopped:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
        running = asyncio.create_task(noop.run(text="hello"))
        await noop.instance.usage()
        assert (await running).output == "hello"


async def test_the_death_of_the_server_process_is_noticed(models: Models) -> None:
    sleeper = await models.start("sleeper")
    begun = asyncio.Event()
    running = asyncio.create_task(sleeper.run(emit=lambda _: begun.set(), seconds=60))
    await begun.wait()
    pid = (await sleeper.instance.usage()).pid
    assert pid is not None
    os.kill(pid, 9)
    with pytest.raises(InstanceLost, match="killed by SIGKILL"):
        await running
    assert sleeper.instance.lost.done()


async def test_items_delivered_before_a_crash_are_kept(models: Models) -> None:
    emissions: list[Emission] = []
    with pytest.raises(InstanceLost) as caught:
        await (await models.start("stream-crashes")).run(emit=emissions.append, after=3)
    assert caught.value.started
    assert items(emissions) == ["chunk 0 ", "chunk 1 ", "chunk 2 "]


async def test_stop_leaves_nothing(models: Models) -> None:
    orphan = await models.start("orphan")
    children = (await orphan.run()).output
    pid = (await orphan.instance.usage()).pid
    assert pid is not None
    assert all(map(alive, [pid, *children]))
    await orphan.instance.stop(5)
    assert not any(map(alive, [pid, *children]))
    assert models.left(orphan.instance.id) == []
    assert orphan.instance.lost.done()
    with pytest.raises(InstanceLost):
        await orphan.run()


async def test_stop_lets_a_running_prediction_finish_within_the_grace(models: Models) -> None:
    sleeper = await models.start("sleeper")
    begun = asyncio.Event()
    running = asyncio.create_task(sleeper.run(emit=lambda _: begun.set(), seconds=0.5))
    await begun.wait()
    await sleeper.instance.stop(30)
    assert (await running).output == "slept"


async def test_stop_ends_a_stubborn_prediction_after_the_grace(models: Models) -> None:
    sleeper = await models.start("sleeper")
    begun = asyncio.Event()
    running = asyncio.create_task(sleeper.run(emit=lambda _: begun.set(), seconds=60, mode="call"))
    await begun.wait()
    await sleeper.instance.stop(0.2)
    with pytest.raises(InstanceLost, match="stopped"):
        await running


async def test_a_second_stop_can_hurry_the_first(models: Models) -> None:
    sleeper = await models.start("sleeper")
    begun = asyncio.Event()
    running = asyncio.create_task(sleeper.run(emit=lambda _: begun.set(), seconds=60))
    await begun.wait()
    patient = asyncio.create_task(sleeper.instance.stop(60))
    await asyncio.sleep(0)
    await sleeper.instance.stop(0)
    await patient
    with pytest.raises(InstanceLost):
        await running


async def test_usage_tells_the_memory_of_all_processes(models: Models) -> None:
    noop = await models.start("noop")
    usage = await noop.instance.usage()
    assert usage.pid is not None
    assert usage.memory > 20 * 1024 * 1024


async def test_the_model_sees_its_variables_and_none_of_ours(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_SECRET", "keep quiet")
    running = await models.start("environment", variables={"HF_TOKEN": "hf_operator"})
    seen = (await running.run()).output
    assert seen["variables"]["GREETING"] == "hello"
    assert seen["variables"]["HF_TOKEN"] == "hf_operator"
    assert "PLATFORM_SECRET" not in seen["variables"]
    assert "VIRTUAL_ENV" not in seen["variables"]
    assert "predict.py" in seen["files"]
    assert "cog.yaml" in seen["files"]


async def test_models_import_their_own_modules_and_read_files_beside_them(models: Models) -> None:
    outcome = await (await models.start("local-import")).run()
    assert outcome.output.endswith("!")


async def test_what_a_model_writes_beside_its_source_stays_in_its_instance(models: Models) -> None:
    folder = models.folder(
        """
        from pathlib import Path
        class Predictor:
            def run(self) -> str:
                for path in (Path("notes.txt"), Path(__file__)):
                    path.write_text(path.read_text() + "# changed")
                Path("new.txt").write_text("new")
                return Path("notes.txt").read_text()
        """,
        {"notes.txt": b"as pushed"},
    )
    source = (folder / "predict.py").read_text()
    for _ in range(2):
        running = await models.start(folder)
        assert (await running.run()).output == "as pushed# changed"
    assert (folder / "notes.txt").read_text() == "as pushed"
    assert (folder / "predict.py").read_text() == source
    assert not (folder / "new.txt").exists()
    assert not (folder / ".cog").exists()


async def test_a_training_runs_the_trainer(models: Models, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("a b a")
    trainer = await models.start("trainer", train=True)
    outcome, emissions = await trainer.heard(text=f"{FILE_INPUT}{tmp_path / 'corpus.txt'}", epochs=2)
    assert outcome.status == "succeeded", outcome.error
    assert "epoch 2/2" in texts(emissions)
    weights = outcome.output["weights"]
    assert '"a": 4' in content(weights)
    predictor = await models.start("trainer", weights=weights.removeprefix(FILE_OUTPUT))
    assert (await predictor.run(word="a")).output == 4


async def test_older_models_run(models: Models, tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    for model in ("old-style", "old-output", "function", "runner", "pydantic-output"):
        running = await models.start(model)
        inputs = {"old-style": {"document": f"{FILE_INPUT}{tmp_path / 'old.txt'}"}, "runner": {"name": "x"}}
        outcome = await running.run(**inputs.get(model, {}))
        assert outcome.status == "succeeded", (model, outcome.error)


async def test_input_that_the_model_refuses_is_a_failure(models: Models) -> None:
    outcome = await (await models.start("async-sleeper")).run(seconds=-1)
    assert outcome.status == "failed"
    assert "seconds" in str(outcome.error)
