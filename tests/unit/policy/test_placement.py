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
                version=draw(st.sampled_from("vwx")),
                model="ada/m",
                busy=busy,
                serving=serving,
                ending=not serving and draw(st.booleans()),
                idle=draw(st.floats(0, 1000)) if serving and not busy else 0.0,
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
        assert victim.version != "v"
        rivals = [r for r in present if r.serving and not r.busy and r.version != "v"]
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
    busy = Resident(id="i", version="w", model="acme/sdxl", busy=1)
    assert place("v", "ada/v", [busy], 1) == Hold("the only instance this server may run is busy with acme/sdxl")


def test_an_instance_yields_to_those_kept_out_for_long() -> None:
    assert yields(TAKEOVER + 1, 5, TAKEOVER)
    assert not yields(TAKEOVER - 1, 0, 1000), "not kept out for long"
    assert not yields(TAKEOVER + 1, TAKEOVER + 2, 1000), "its own have waited longer"
    assert not yields(TAKEOVER + 1, 0, TAKEOVER - 1), "it has just come up"
