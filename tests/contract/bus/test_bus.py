"""What every bus does within one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from hearth.bus.base import Bus, CancelRequested, DeliveryDue, Work
from hearth.bus.memory import MemoryBus
from hearth.domain.events import Event, Kind
from hearth.domain.instance import InstanceState, InstanceView
from hearth.domain.prediction import Place, Prediction


class Hand:
    """A feed that holds what it is given."""

    def __init__(self) -> None:
        self.events: Sequence[Event] = []

    def place(self) -> Place | None:
        return None

    def snapshot(self) -> Prediction:
        return Prediction(id="p", account_id="a", model="ada/m", version="v", input={}, created_at=0)


@pytest.fixture(params=[MemoryBus])
def bus(request: pytest.FixtureRequest) -> Bus:
    made: Callable[[], Bus] = request.param
    return made()


def event(seq: int) -> Event:
    return Event(seq, Kind.LOG, 1.0, "x")


def test_work_reaches_the_engine_that_serves(bus: Bus) -> None:
    got: list[Work] = []
    assert bus.owner is None
    bus.submit(DeliveryDue())
    end = bus.serve("engine", got.append)
    assert bus.owner == "engine"
    bus.submit(CancelRequested(prediction_id="p"))
    end()
    assert bus.owner is None
    bus.submit(DeliveryDue())
    assert got == [CancelRequested(prediction_id="p")]


def test_one_engine_at_a_time(bus: Bus) -> None:
    end = bus.serve("one", lambda work: None)
    with pytest.raises(RuntimeError, match="one"):
        bus.serve("two", lambda work: None)
    end()
    again = bus.serve("two", lambda work: None)
    end()
    assert bus.owner == "two"
    again()


def test_news_reaches_those_who_listen_also_before_the_feed_is_open(bus: Bus) -> None:
    heard: list[tuple[list[int], bool]] = []
    forget = bus.listen("p", lambda events, ended: heard.append(([e.seq for e in events], ended)))
    bus.listen("q", lambda events, ended: pytest.fail("not asked for"))
    bus.open("p", Hand())
    bus.publish("p", [event(0), event(1)])
    bus.publish("p", [event(2)], ended=True)
    bus.publish("p", [event(3)])
    assert heard == [([0, 1], False), ([2], True)]
    forget()


def test_a_feed_is_there_from_open_until_after_the_end_was_told(bus: Bus) -> None:
    feed, found = Hand(), []
    assert bus.feed("p") is None
    bus.open("p", feed)
    assert bus.feed("p") is feed
    bus.listen("p", lambda events, ended: found.append(bus.feed("p")))
    bus.publish("p", [event(0)], ended=True)
    assert found == [feed]
    assert bus.feed("p") is None


def test_a_closed_feed_is_gone_and_listeners_stay(bus: Bus) -> None:
    heard: list[bool] = []
    bus.open("p", Hand())
    bus.listen("p", lambda events, ended: heard.append(ended))
    bus.close("p")
    bus.close("p")
    assert bus.feed("p") is None
    assert heard == []
    bus.open("p", Hand())
    bus.publish("p", [event(0)])
    assert heard == [False]


def test_a_listener_that_forgot_hears_nothing_even_in_the_midst_of_news(bus: Bus) -> None:
    heard: list[str] = []

    def first(events: Sequence[Event], ended: bool) -> None:
        heard.append("first")
        forget_first()

    forget_first = bus.listen("p", first)
    forget_second = bus.listen("p", lambda events, ended: heard.append("second"))
    bus.publish("p", [event(0)])
    bus.publish("p", [event(1)])
    forget_second()
    forget_second()
    bus.publish("p", [event(2)])
    assert heard == ["first", "second", "second"]


def test_instances_are_those_last_shown(bus: Bus) -> None:
    view = InstanceView(
        id="i", model="ada/m", version="v", state=InstanceState.READY, because="ready", slots=1, busy=0, started_at=0
    )
    assert list(bus.instances()) == []
    bus.show([view])
    assert list(bus.instances()) == [view]
    bus.show([])
    assert list(bus.instances()) == []
