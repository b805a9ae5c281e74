from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hearth.policy.placement import TAKEOVER, Boot, Evict, Hold, Resident, place, yields


@st.composite
def residents(draw: st.DrawFn) -> list[Resident]:
    found = []
    for number in range(draw(st.integers(0, 6))):
        serving = draw(st.booleans())
        busy = draw(st.integers(0, 2)) if serving else 0
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
            )
        )
    return found


@given(residents(), st.integers(1, 6))
def test_it_boots_only_into_free_room(present: list[Resident], maximum: int) -> None:
    assert isinstance(place("v", "ada/v", present, maximum), Boot) == (len(present) < maximum)


@given(residents(), st.integers(1, 6))
def test_it_evicts_only_the_longest_idle_of_another_version(present: list[Resident], maximum: int) -> None:
    placement = place("v", "ada/v", present, maximum)
    if isinstance(placement, Evict):
        victim = next(r for r in present if r.id == placement.instance)
        assert victim.serving
        assert not victim.busy
        assert not victim.kept
        assert victim.lane != "v"
        rivals = [r for r in present if r.serving and not r.busy and r.lane != "v" and not r.kept]
        assert victim.idle == max(r.idle for r in rivals)
        assert placement.because


@given(residents(), st.integers(1, 6))
def test_it_evicts_nobody_while_room_is_coming_free(present: list[Resident], maximum: int) -> None:
    if any(r.ending for r in present):
        assert not isinstance(place("v", "ada/v", present, maximum), Evict)


@given(residents(), st.integers(1, 6))
def test_whoever_is_held_is_told_why(present: list[Resident], maximum: int) -> None:
    placement = place("v", "ada/v", present, maximum)
    if isinstance(placement, Hold):
        assert placement.because


def test_the_only_instance_is_named() -> None:
    busy = Resident(id="i", lane="w", model="acme/sdxl", busy=1)
    assert place("v", "ada/v", [busy], 1) == Hold("the only instance this server may run is busy with acme/sdxl")


def test_an_instance_yields_to_those_kept_out_for_long() -> None:
    assert yields(TAKEOVER + 1, 5, TAKEOVER)
    assert not yields(TAKEOVER - 1, 0, 1000), "not kept out for long"
    assert not yields(TAKEOVER + 1, TAKEOVER + 2, 1000), "its own have waited longer"
    assert not yields(TAKEOVER + 1, 0, TAKEOVER - 1), "it has just come up"


def test_trainings_do_not_pass_their_number() -> None:
    running = Resident(id="i", lane="train/w", model="acme/sdxl", busy=1, train=True)
    assert isinstance(place("train/v", "ada/v", [running], 8, trainings=2), Boot)
    held = place("train/v", "ada/v", [running], 8, trainings=1)
    assert held == Hold("another training is running, as many as may at a time", room=False)
    assert isinstance(place("v", "ada/v", [running], 8), Boot)


@given(residents(), st.integers(2, 6), st.integers(1, 6))
def test_trainings_leave_room_for_a_prediction(present: list[Resident], maximum: int, trainings: int) -> None:
    if isinstance(place("train/v", "ada/v", present, maximum, trainings=trainings), Boot):
        assert sum(1 for r in present if r.train) + 1 < maximum
