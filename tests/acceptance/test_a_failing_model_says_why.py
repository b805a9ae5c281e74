"""The model's errors, failed setups and dead processes end one prediction with a clear error; the next one works."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

import pytest
import replicate

from hearth.runtime import processes
from hearth.testing.programs import ProgramError


def test_every_client_raises_the_models_error(py1: replicate.Client, py2: Any, js: Any, models: Any) -> None:
    ref = models("failing").name
    with pytest.raises(replicate.exceptions.ModelError, match="it went wrong") as caught:
        py1.run(ref, input={})
    assert caught.value.prediction.status == "failed"
    assert "about to fail" in (caught.value.prediction.logs or "")
    with pytest.raises(ProgramError, match="it went wrong") as failed:
        py2("replicate.run(ref, input={})", ref=ref)
    assert failed.value.kind == "ModelError"
    with pytest.raises(ProgramError, match="it went wrong") as failed:
        py2("replicate.use(ref)()", ref=ref)
    assert failed.value.kind == "ModelError"
    with pytest.raises(ProgramError, match=r"Prediction failed: .*it went wrong"):
        js("await replicate.run(ref, { input: {} });", ref=ref)


async def test_python_1_raises_in_a_coroutine(async_py1: replicate.Client, models: Any) -> None:
    with pytest.raises(replicate.exceptions.ModelError, match="it went wrong"):
        await async_py1.async_run(models("failing").name, input={})


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("value", "ValueError: no {}"),
        ("key", "KeyError: 'no {}'"),
        ("assertion", "AssertionError: no {}"),
        ("memory", "MemoryError: no {}"),
        ("exit", "no {}"),
        ("own", "OutOfPatience: no {}"),
        ("empty", "RuntimeError"),
        ("chained", "RuntimeError: no {}"),
    ],
)
def test_the_error_is_the_exceptions_and_the_traceback_is_in_the_logs(
    kind: str, error: str, api: Any, models: Any
) -> None:
    prediction = api.create(models("failing").name, {"kind": kind, "message": "no {}"}, hold=30)
    assert prediction["status"] == "failed"
    assert prediction["output"] is None
    assert error in prediction["error"]
    logs = prediction["logs"]
    assert logs.startswith("about to fail\n")
    if kind != "exit":
        assert "Traceback (most recent call last):" in logs
        assert 'predict.py", line ' in logs
        assert "wrapper.py" not in logs
    if kind == "chained":
        assert "OSError: the cause" in logs


def test_an_instance_survives_the_models_errors(api: Any, models: Any) -> None:
    ref = models("failing").name
    api.run(ref, {"kind": "value"})
    before = api.instance(ref)
    assert api.run(ref, {"kind": "exit"})["status"] == "failed"
    assert api.run(ref, {"kind": "none"})["output"] == "did not fail"
    assert api.instance(ref)["id"] == before["id"]


@pytest.mark.parametrize("how", ["exit", "segfault", "kill", "abort"])
def test_a_dead_process_is_replaced(how: str, api: Any, models: Any) -> None:
    ref = models("crasher").name
    before = api.run(ref)["output"]
    prediction = api.run(ref, {"how": how})
    assert prediction["status"] == "failed"
    assert {"exit": "code 3", "segfault": "SIGSEGV", "kill": "SIGKILL", "abort": "SIGABRT"}[how] in prediction["error"]
    assert "PermitInUse" not in prediction["error"]
    after = api.run(ref)
    assert after["status"] == "succeeded"
    assert after["output"] != before


def test_a_process_that_dies_while_idle_is_replaced(api: Any, models: Any) -> None:
    ref = models("crasher").name
    first = api.run(ref, {"how": "exit", "later": 0.2})
    assert first["status"] == "succeeded"
    # Whether it is dead, about to die or dies just now: this one does not fail for it.
    for _ in range(5):
        assert api.run(ref)["status"] == "succeeded"


def test_output_before_a_crash_is_kept(api: Any, models: Any) -> None:
    prediction = api.run(models("stream-crashes").name, {"after": 3})
    assert prediction["status"] == "failed"
    assert prediction["output"] == ["chunk 0 ", "chunk 1 ", "chunk 2 "]
    assert "code 3" in prediction["error"]
    assert [e["kind"] for e in api.follow(prediction["id"])].count("started") == 1


def test_a_failed_setup_shows_its_last_lines(api: Any, models: Any) -> None:
    prediction = api.create(models("setup-fails").name, hold=30)
    assert prediction["status"] == "failed"
    assert prediction["started_at"] is None
    for text in ("FileNotFoundError: weights.bin is missing", "looking for the weights", "they are not there"):
        assert text in prediction["error"]
    prediction = api.create(models("setup-crashes").name, hold=30)
    assert prediction["status"] == "failed"
    # Its last words and its exit code are lost now and then: coglet does not read what a dead worker left in the pipe.
    assert "The model's setup failed: its process " in prediction["error"]


SECOND_TIME = """
from cog import BaseRunner, Path


class Predictor(BaseRunner):
    def setup(self) -> None:
        path = Path(PATH)
        first = not path.exists()
        path.touch()
        if first:
            raise RuntimeError("not the first time")

    def run(self) -> str:
        return "ready"
"""


def test_a_setup_that_failed_is_tried_again_for_the_next_prediction(api: Any, models: Any, tmp_path: Any) -> None:
    model = models.write("second-time", SECOND_TIME.replace("PATH", repr(str(tmp_path / "tried"))))
    assert "not the first time" in api.run(model.name)["error"]
    assert api.run(model.name)["output"] == "ready"


def test_a_setup_that_never_ends_is_given_up(fresh: Any) -> None:
    for limit in (5, 45):  # the first in which a busy machine comes as far as setup
        _, api, models = fresh(HEARTH_SETUP_TIMEOUT=str(limit))
        prediction = api.create(models("setup-hangs").name, hold=60)
        assert prediction["status"] == "failed"
        assert f"{limit} s" in prediction["error"]
        if "waiting for something that never comes" in prediction["error"]:
            return
    raise AssertionError(prediction["error"])


@pytest.mark.parametrize(
    ("model", "says"),
    [("output-missing-file", "nowhere.png"), ("output-folder", "directory"), ("output-nan", "nan")],
)
def test_an_output_that_is_none_is_an_error(model: str, says: str, api: Any, models: Any) -> None:
    prediction = api.run(models(model).name)
    assert (prediction["status"], prediction["output"]) == ("failed", None)
    assert says in prediction["error"]


def test_children_of_a_model_end_with_it(api: Any, models: Any) -> None:
    ref = models("orphan").name
    children = api.run(ref)["output"]
    instance = api.instance(ref)
    everybody = set(processes.marked(f"HEARTH_INSTANCE={instance['id']}"))
    assert set(children) < everybody
    for pid in everybody - set(children):
        with contextlib.suppress(ProcessLookupError):  # one end may take another with it
            os.kill(pid, signal.SIGKILL)
    again = api.run(ref)["output"]
    assert not set(again) & set(children)
    left = [found for pid in children if (found := processes.find(pid)) and found.alive]
    assert left == []


def test_a_setup_that_always_fails_is_given_up_until_somebody_retries(
    plain: Any, plain_api: Any, plain_models: Any, tmp_path: Any
) -> None:
    api = plain_api
    switch, setups = tmp_path / "works", tmp_path / "setups"
    code = f"""
import os
from cog import BaseRunner

class Predictor(BaseRunner):
    def setup(self) -> None:
        with open({str(setups)!r}, "a") as file:
            file.write("setup\\n")
        if not os.path.exists({str(switch)!r}):
            raise RuntimeError("the weights are not there")

    def run(self) -> str:
        return "ready"
"""
    model = plain_models.write("given-up", code)
    errors = []
    while not errors or "hearth models retry" not in errors[-1]:
        errors.append(api.run(model.name)["error"])
    assert len(errors) == 5
    assert "the weights are not there" in errors[-1]
    tried = setups.read_text()
    assert "hearth models retry" in api.run(model.name)["error"]
    assert setups.read_text() == tried, "it was not tried again"
    (broken,) = api.call("GET", f"models/{model.name}/versions/{model.version}")["broken"]
    assert broken["failures"] == 5
    assert "RuntimeError: the weights are not there" in broken["logs"]
    assert "GIVEN UP" in plain.hearth("ps").stdout
    switch.touch()
    plain.hearth("models", "retry", f"{model.name}:{model.version[:12]}")
    assert api.run(model.name)["output"] == "ready"
    assert "broken" not in api.call("GET", f"models/{model.name}/versions/{model.version}")
