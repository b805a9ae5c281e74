"""How many webhooks a receiver may be sent at once."""

from __future__ import annotations

import pytest

from hearth.engine.receivers import KNOWN, SLOW, Pace, Receivers, receiver


@pytest.mark.parametrize(
    ("url", "whose"),
    [
        ("https://a.test/x?y", "https://a.test"),
        ("https://a.test:8443?y=/", "https://a.test:8443"),
        ("http://a.test", "http://a.test"),
        ("http://a.test#/", "http://a.test"),
    ],
)
def test_a_receiver_is_all_up_to_the_path(url: str, whose: str) -> None:
    assert receiver(url) == whose


def taken(receivers: Receivers, url: str) -> int:
    count = 0
    while receivers.take(url):
        count += 1
    for _ in range(count):
        receivers.give(url)
    return count


def test_how_it_answered_last_says_how_many() -> None:
    receivers = Receivers()
    for seconds, pace in ((0.1, Pace.QUICK), (SLOW + 0.1, Pace.UNKNOWN), (None, Pace.HANGS), (0.1, Pace.QUICK)):
        receivers.answered("http://a.test/1", seconds)
        assert taken(receivers, "http://a.test/2") == pace
        assert taken(receivers, "http://stranger.test") == Pace.UNKNOWN
    assert receivers.pause("http://a.test") < receivers.pause("http://stranger.test")


def test_who_is_being_sent_something_is_not_forgotten() -> None:
    receivers = Receivers()
    assert receivers.take("http://busy.test")
    receivers.answered("http://busy.test", None)
    for n in range(KNOWN + 10):
        receivers.answered(f"http://{n}.test", 0.1)
    assert not receivers.take("http://busy.test")
    assert taken(receivers, "http://0.test") == Pace.UNKNOWN
    assert taken(receivers, f"http://{KNOWN}.test") == Pace.QUICK
