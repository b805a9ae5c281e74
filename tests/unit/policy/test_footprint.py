from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.domain.footprint import Footprint
from hearth.domain.model import Recipe, SourceFile
from hearth.policy.footprint import OVERSHOT, need, raised, ran_out, relaxed, seen, sentence
from hearth.policy.worth import BURST, HALF, Uses

GB = 10**9
NONE = Footprint(version_id="v", model="ada/m", at=0.0)
sizes = st.integers(0, 100 * GB)


def recipe(size: int = 0) -> Recipe:
    return Recipe(source=(SourceFile(path="weights.bin", sha256="0" * 64, size=size),), environment="e" * 64)


def known(**fields: int) -> Footprint:
    return Footprint(version_id="v", model="ada/m", at=0.0, **fields)


def test_what_was_measured_counts_then_what_is_alike_then_what_can_be_seen() -> None:
    measured, before = known(setup=3 * GB, run=2 * GB, gpu=7 * GB), known(setup=5 * GB)
    found = need(measured, before, recipe(4 * GB), unknown=GB, gpus=1, sku="gpu-a")
    assert (found.memory, found.gpu_memory, found.measured) == (3 * GB, 7 * GB, True)
    found = need(None, before, recipe(4 * GB), unknown=GB, sku=None)
    assert (found.memory, found.measured) == (5 * GB, False)
    found = need(None, None, recipe(4 * GB), unknown=GB, gpus=1, sku=None)
    assert (found.memory, found.gpu_memory) == (6_300_000_000, 7_200_000_000)
    found = need(None, None, recipe(10), unknown=GB, gpus=1, sku=None)
    assert (found.memory, found.gpu_memory) == (GB, None), "downloads its weights, maybe: a GPU to itself"
    assert need(measured, None, recipe(), unknown=GB, sku=None).gpu_memory == 0, "no GPU is reserved for a CPU's"


@given(sizes, sizes, sizes, st.booleans())
def test_a_look_never_forgets(first: int, second: int, gpu: int, setup: bool) -> None:
    before = known(setup=first, run=first, gpu=first)
    after = seen(before, memory=second, gpu=gpu, setup=setup)
    assert after.memory == max(first, second)
    assert after.gpu == max(first, gpu)


@given(st.integers(1, 100 * GB), st.integers(1, 100 * GB))
def test_an_exception_is_forgotten_in_time_and_the_usual_is_not(exception: int, usual: int) -> None:
    footprint = known(run=max(exception, usual))
    for _ in range(64):
        footprint = relaxed(footprint, run=usual, gpu=0)
        assert footprint.run >= usual
    assert footprint.run <= usual + 1
    assert relaxed(footprint, run=0, gpu=0) == footprint, "it never ran, so nothing was learnt"


@given(st.integers(2, 100 * GB), st.integers(2, 100 * GB), st.booleans(), st.booleans(), st.booleans())
def test_who_lacked_memory_gets_more_and_never_more_than_there_is(
    had: int, ceiling: int, gpu: bool, setup: bool, again: bool
) -> None:
    after = raised(NONE, had=had, ceiling=ceiling, gpu=gpu, setup=setup, again=again)
    given = after.gpu if gpu else after.memory
    assert given >= had
    hopeless = setup and again and had >= 0.9 * ceiling
    if not hopeless:
        assert given <= max(ceiling, had)
    elif not gpu:
        assert given > ceiling, "it never fits: nobody waits for it"
    if had * 1.5 <= ceiling:
        assert given == int(had * 1.5)


@given(st.integers(1, 100 * GB), st.integers(1, 100 * GB))
def test_an_overshoot_at_the_ceiling_takes_what_there_is(seen: int, ceiling: int) -> None:
    found = need(known(run=seen), None, recipe(), unknown=GB, sku=None, ceiling=ceiling).memory
    overshot = ceiling < seen <= ceiling * OVERSHOT
    assert found == (ceiling if overshot else seen)


def test_without_a_limit_there_is_always_more() -> None:
    assert raised(NONE, had=4 * GB, ceiling=math.inf, gpu=False, setup=False, again=False).run == 6 * GB


@pytest.mark.parametrize(
    ("text", "gpu"),
    [
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 79.15 GiB total capacity)", True),
        ("RuntimeError: CUDA error: out of memory", True),
        ("XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 bytes.", True),
        ("MemoryError: no", False),
        ("_ArrayMemoryError: Unable to allocate 7.3 TiB for an array", False),
        ("OSError: [Errno 12] Cannot allocate memory", False),
        ("RuntimeError: [enforce fail at alloc_cpu.cpp:75] DefaultCPUAllocator: can't allocate memory", False),
        ("RuntimeError: DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes", False),
        ("The model's setup failed: MemoryError: no", False),
        ("ValueError: my memory is bad", None),
        ("KeyError: 'out of memory'", None),
        ("", None),
    ],
)
def test_errors_that_tell_of_memory(text: str, gpu: bool | None) -> None:
    assert ran_out(text) is gpu


def test_sentences() -> None:
    assert sentence(had=4 * GB, gpu=False) == "it ran out of memory: it had 4 GB, and needs more"
    assert sentence(had=0, gpu=True) == "it ran out of GPU memory"


def test_uses_fade_and_a_burst_is_one() -> None:
    uses = Uses().after(100.0)
    assert uses.counted(100.0) == 1.0
    assert uses.counted(100.0 + HALF) == pytest.approx(0.5)
    for second in range(1000):
        uses = uses.after(100.0 + second * BURST / 2)
    assert uses.counted(100.0 + 999 * BURST / 2) < 1.0
    later = uses.after(10_000.0)
    assert later.counted(10_000.0) == pytest.approx(uses.counted(10_000.0) + 1)
