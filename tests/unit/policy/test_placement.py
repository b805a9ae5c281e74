from __future__ import annotations

from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from hearth.domain.sizes import size
from hearth.policy.placement import (
    TAKEOVER,
    Boot,
    Evict,
    Gpu,
    Hold,
    Machine,
    Need,
    Never,
    bespoken,
    helps,
    place,
    yields,
)
from hearth.policy.worth import Resident, cheapest

GB = 10**9


@st.composite
def residents(draw: st.DrawFn) -> list[Resident]:
    found = []
    for number in range(draw(st.integers(0, 6))):
        serving = draw(st.booleans())
        busy = draw(st.integers(0, 2)) if serving else 0
        gpus = draw(st.sampled_from(((), (0,), (1,), (0, 1))))
        found.append(
            Resident(
                id=f"i{number}",
                lane=draw(st.sampled_from("vwx")),
                model="ada/m",
                busy=busy,
                serving=serving,
                ending=not serving and draw(st.booleans()),
                idle=draw(st.floats(0, 1000)) if serving and not busy else 0.0,
                kept=draw(st.booleans()),
                train=draw(st.booleans()),
                memory=draw(st.integers(0, 10)),
                gpus=gpus,
                gpu_memory=draw(st.none() | st.integers(0, 10)) if gpus else 0,
                boot=draw(st.floats(0.1, 100)),
                uses=draw(st.floats(0, 10)),
            )
        )
    return found


machines = st.builds(
    Machine,
    instances=st.integers(1, 7),
    memory=st.none() | st.integers(1, 40),
    gpus=st.sampled_from(
        (
            (),
            (Gpu(index=0, sku="gpu-a", memory=12),),
            (Gpu(index=0, sku="gpu-a", memory=12), Gpu(index=1, sku="gpu-b", memory=20)),
        )
    ),
)
needs = st.builds(
    Need,
    memory=st.integers(0, 15),
    gpus=st.integers(0, 2),
    sku=st.sampled_from((None, "gpu-a")),
    gpu_memory=st.none() | st.integers(0, 15),
    measured=st.booleans(),
)


def fits(need: Need, present: list[Resident], machine: Machine) -> bool:
    return isinstance(place("none", "ada/v", need, present, machine), Boot)


@given(needs, residents(), machines)
def test_nothing_is_started_that_would_not_fit(need: Need, present: list[Resident], machine: Machine) -> None:
    placement = place("v", "ada/v", need, present, machine)
    if not isinstance(placement, Boot):
        return
    assert len(present) < machine.instances
    if machine.memory is not None:
        # An estimate beyond the machine takes the machine, alone.
        memory = need.memory if need.measured else min(need.memory, machine.memory)
        assert sum(r.memory for r in present) + memory <= machine.memory
    assert len(set(placement.gpus)) == need.gpus
    for index in placement.gpus:
        gpu = machine.gpus[index]
        there = [r for r in present if index in r.gpus]
        assert need.sku in (None, gpu.sku)
        assert all(r.gpu_memory is not None for r in there)
        if need.gpu_memory is None:
            assert not there
        else:
            wanted = need.gpu_memory if need.measured else min(need.gpu_memory, gpu.memory)
            assert sum(r.gpu_memory or 0 for r in there) + wanted <= gpu.memory


@given(needs, residents(), machines)
def test_only_idle_ones_of_others_that_nobody_keeps_are_evicted(
    need: Need, present: list[Resident], machine: Machine
) -> None:
    placement = place("v", "ada/v", need, present, machine)
    if isinstance(placement, Evict):
        victims = [r for r in present if r.id in placement.instances]
        assert len(victims) == len(placement.instances) > 0
        for victim in victims:
            assert victim.serving
            assert not victim.busy
            assert not victim.kept
            assert victim.lane != "v"
        assert placement.because


@given(needs, residents(), machines)
def test_evictions_make_it_fit_and_each_is_needed(need: Need, present: list[Resident], machine: Machine) -> None:
    placement = place("v", "ada/v", need, present, machine)
    if not isinstance(placement, Evict):
        return
    staying = [r for r in present if not r.ending and r.id not in placement.instances]
    assert fits(need, staying, machine)
    for id in placement.instances:
        spared = next(r for r in present if r.id == id)
        assert not fits(need, [*staying, spared], machine), f"{id} went for nothing"


@given(needs, residents(), machines)
def test_what_would_fit_after_evictions_is_not_held(need: Need, present: list[Resident], machine: Machine) -> None:
    placement = place("v", "ada/v", need, present, machine)
    if isinstance(placement, Hold):
        idle = [r for r in present if r.serving and not r.busy and not r.kept and r.lane != "v"]
        assert placement.because
        held = [r for r in present if r not in idle and not r.ending]
        if not any(r.ending for r in present):
            assert not fits(need, held, machine)


@given(needs, residents(), machines)
def test_nobody_is_evicted_while_enough_room_is_coming_free(
    need: Need, present: list[Resident], machine: Machine
) -> None:
    if fits(need, [r for r in present if not r.ending], machine):
        assert isinstance(place("v", "ada/v", need, present, machine), Boot | Hold)


@given(needs, machines)
def test_only_what_does_not_fit_alone_never_fits(need: Need, machine: Machine) -> None:
    placement = place("v", "ada/v", need, [], machine)
    assert isinstance(placement, Boot | Never)
    if isinstance(placement, Never):
        assert "this server" in placement.because
        wanted = [g for g in machine.gpus if need.sku in (None, g.sku)]
        assert len(wanted) < need.gpus or need.measured, "an estimate alone refuses nothing"


@given(residents(), st.integers(1, 60))
def test_what_is_evicted_is_worth_at_most_twice_the_least(present: list[Resident], short: int) -> None:
    found = cheapest(present, lambda r: r.memory, short)
    ways = chain.from_iterable(combinations(present, n) for n in range(len(present) + 1))
    losses = [sum(r.loss for r in way) for way in ways if sum(r.memory for r in way) >= short]
    if found is None:
        assert not losses
    else:
        assert sum(r.memory for r in found) >= short
        assert sum(r.loss for r in found) <= 2 * min(losses) + 1e-9


def _idle(id: str, **fields: float) -> Resident:
    return Resident(id=id, lane=id, model=f"ada/{id}", **{"idle": 100.0, "memory": 5 * GB, **fields})  # type: ignore[arg-type]


TEN = Machine(instances=100, memory=10 * GB)


def test_the_one_that_boots_fast_goes() -> None:
    slow, fast = _idle("slow", boot=60), _idle("fast", boot=2, idle=50)
    evicted = place("v", "ada/v", Need(memory=5 * GB), [slow, fast], TEN)
    assert evicted == Evict(("fast",), "idle for 50 s, and ada/v needs the room")


def test_one_large_one_goes_rather_than_many_small_ones() -> None:
    small = [_idle(f"s{n}", memory=GB) for n in range(5)]
    large = _idle("large", memory=5 * GB)
    evicted = place("v", "ada/v", Need(memory=5 * GB), [*small, large], TEN)
    assert isinstance(evicted, Evict)
    assert evicted.instances == ("large",)


def test_what_is_used_often_stays() -> None:
    often, seldom = _idle("often", uses=20), _idle("seldom", idle=90)
    evicted = place("v", "ada/v", Need(memory=5 * GB), [often, seldom], TEN)
    assert isinstance(evicted, Evict)
    assert evicted.instances == ("seldom",)


def test_a_sentence_says_what_is_short_and_who_has_it() -> None:
    busy = Resident(id="i", lane="w", model="acme/sdxl", busy=1, memory=8 * GB)
    boots = Resident(id="j", lane="x", model="acme/llama", serving=False, memory=GB)
    held = place("v", "ada/v", Need(memory=3 * GB), [busy, boots], TEN)
    assert held == Hold(
        "it needs about 3 GB of memory, 2 GB more than can be freed: "
        "acme/sdxl is busy with 8 GB, acme/llama is booting with 1 GB"
    )


def test_what_never_fits_is_told_so() -> None:
    never = place("v", "ada/v", Need(memory=30 * GB, measured=True), [], TEN)
    assert never == Never("needs about 30 GB of memory; this server has 10 GB for its models")
    never = place("v", "ada/v", Need(gpus=2, sku="gpu-h100"), [], TEN)
    assert never == Never("needs 2 x gpu-h100; this server has none")
    one = Machine(instances=8, gpus=(Gpu(index=0, sku="gpu-h100", memory=80 * GB),))
    never = place("v", "ada/v", Need(gpus=1, gpu_memory=90 * GB, measured=True), [], one)
    assert never == Never("needs about 90 GB of GPU memory; this server's GPU has 80 GB")


TWO = Machine(instances=8, gpus=tuple(Gpu(index=n, sku="gpu-a100-large", memory=80 * GB) for n in (0, 1)))


def test_work_is_spread_over_devices_before_it_shares_one() -> None:
    need = Need(gpus=1, gpu_memory=20 * GB)
    first = place("v", "ada/v", need, [], TWO)
    assert first == Boot((0,))
    there = Resident(id="i", lane="w", model="ada/w", busy=1, gpus=(0,), gpu_memory=20 * GB)
    assert place("v", "ada/v", need, [there], TWO) == Boot((1,))
    other = Resident(id="j", lane="x", model="ada/x", busy=1, gpus=(1,), gpu_memory=30 * GB)
    assert place("v", "ada/v", need, [there, other], TWO) == Boot((0,))


def test_an_unknown_one_gets_its_device_whole() -> None:
    unknown = Need(gpus=1, gpu_memory=None)
    there = Resident(id="i", lane="w", model="acme/sdxl", busy=1, gpus=(0,), gpu_memory=GB)
    assert place("v", "ada/v", unknown, [there], TWO) == Boot((1,))
    whole = Resident(id="j", lane="x", model="acme/new", busy=1, gpus=(1,), gpu_memory=None)
    assert place("v", "ada/v", unknown, [there, whole], TWO) == Hold(
        "all 2 GPUs are taken: acme/sdxl is busy with 1 GB, acme/new is busy"
    )
    assert place("v", "ada/v", Need(gpus=1, gpu_memory=GB), [whole], TWO) == Boot((0,))


def test_what_needs_no_gpu_takes_none() -> None:
    whole = [Resident(id=f"i{n}", lane="w", model="acme/new", busy=1, gpus=(n,), gpu_memory=None) for n in (0, 1)]
    assert place("v", "ada/v", Need(memory=GB), whole, TWO) == Boot(())


def test_two_devices_are_freed_where_it_costs_least() -> None:
    dear = Resident(id="dear", lane="w", model="ada/w", idle=1, boot=90, gpus=(0,), gpu_memory=60 * GB)
    cheap = Resident(id="cheap", lane="x", model="ada/x", idle=900, boot=2, gpus=(1,), gpu_memory=60 * GB)
    one = place("v", "ada/v", Need(gpus=1, gpu_memory=40 * GB), [dear, cheap], TWO)
    assert isinstance(one, Evict)
    assert one.instances == ("cheap",)
    both = place("v", "ada/v", Need(gpus=2, gpu_memory=40 * GB), [dear, cheap], TWO)
    assert isinstance(both, Evict)
    assert set(both.instances) == {"dear", "cheap"}


def test_the_only_instance_is_named() -> None:
    busy = Resident(id="i", lane="w", model="acme/sdxl", busy=1)
    held = place("v", "ada/v", Need(), [busy], Machine(instances=1))
    assert held == Hold("the only instance this server may run is busy with acme/sdxl")


def test_an_instance_yields_to_those_kept_out_for_long() -> None:
    assert yields(TAKEOVER + 1, 5, TAKEOVER)
    assert not yields(TAKEOVER - 1, 0, 1000), "not kept out for long"
    assert not yields(TAKEOVER + 1, TAKEOVER + 2, 1000), "its own have waited longer"
    assert not yields(TAKEOVER + 1, 0, TAKEOVER - 1), "it has just come up"


def test_a_large_one_gets_in_past_small_ones_that_are_never_idle_together() -> None:
    need = Need(memory=8 * GB)
    busy = [Resident(id=f"i{n}", lane=f"w{n}", model="ada/w", busy=1, memory=2 * GB) for n in range(5)]
    assert isinstance(place("v", "ada/v", need, busy, TEN), Hold)
    assert sum(helps(r.id, "v", "ada/v", need, busy, TEN) for r in busy) == 4
    kept = [Resident(id="k", lane="k", model="ada/k", kept=True, memory=4 * GB), *busy[:3]]
    assert not any(helps(r.id, "v", "ada/v", need, kept, TEN) for r in kept), "it would not fit all the same"
    # And what has been freed for it is not taken by a smaller one that came later.
    freed = [*busy[:2], bespoken("v", "ada/v", need)]
    assert isinstance(place("x", "ada/x", Need(memory=GB), freed, TEN), Hold)


def test_trainings_do_not_pass_their_number() -> None:
    machine = Machine(instances=8)
    running = Resident(id="i", lane="train/w", model="acme/sdxl", busy=1, train=True)
    assert isinstance(place("train/v", "ada/v", Need(), [running], machine, trainings=2), Boot)
    held = place("train/v", "ada/v", Need(), [running], machine, trainings=1)
    assert held == Hold("another training is running, as many as may at a time", room=False)
    assert isinstance(place("v", "ada/v", Need(), [running], machine), Boot)


@given(residents(), st.integers(2, 6), st.integers(1, 6))
def test_trainings_leave_room_for_a_prediction(present: list[Resident], maximum: int, trainings: int) -> None:
    placement = place("train/v", "ada/v", Need(), present, Machine(instances=maximum), trainings=trainings)
    if isinstance(placement, Boot):
        assert sum(1 for r in present if r.train) + 1 < maximum


def test_sizes_have_two_digits_that_matter() -> None:
    assert [size(n) for n in (0, 850 * 10**6, 6_234_000_000, 6 * GB, 24 * GB, 23_600_000_000)] == [
        "0 MB",
        "850 MB",
        "6.2 GB",
        "6 GB",
        "24 GB",
        "24 GB",
    ]
