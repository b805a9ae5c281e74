from __future__ import annotations

from pathlib import Path

from hearth.runtime.activity import Activity
from hearth.runtime.zygote import write_shim
from hearth.runtime.zygotes import Imports, shared


def test_a_zygote_gets_what_libraries_read_and_no_secrets() -> None:
    variables = {
        "HF_HUB_OFFLINE": "1", "HF_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "DB_PASSWORD": "x", "PATH": "/bin",
        "TMPDIR": "/t", "PORT": "1", "HEARTH_OUT": "/o", "COG_MAX_CONCURRENCY": "1", "CUDA_VISIBLE_DEVICES": "0",
        "OMP_NUM_THREADS": "4", "PORTAL": "x",
    }  # fmt: skip
    assert set(shared(variables)) == {"HF_HUB_OFFLINE", "PATH", "OMP_NUM_THREADS", "PORTAL"}


def test_what_is_learned_adds_up_in_order() -> None:
    first = Imports(2.0, ("os", "torch", "torch.nn"), {"threads": "starts a thread"})
    both = first.merged(Imports(1.0, ("os", "diffusers", "torch")))
    assert both == Imports(2.0, ("os", "torch", "torch.nn", "diffusers"), {"threads": "starts a thread"})


def test_there_is_time_while_nothing_boots_and_a_core_is_free() -> None:
    activity = Activity(cores=2)
    told: list[bool] = []
    activity.on_change(lambda: told.append(activity.spare()))
    assert activity.spare()
    with activity.booting():
        assert not activity.spare()
    assert told == [True]
    activity.began()
    assert activity.spare()
    activity.began()
    assert not activity.spare()
    activity.ended()
    assert told == [True, True]


def test_the_script_can_be_written_again(tmp_path: Path) -> None:
    write_shim(tmp_path / "bin")
    write_shim(tmp_path / "bin")
    assert (tmp_path / "bin" / "python").stat().st_mode & 0o111
