"""What is owed to a webhook is stored with what happened, and sent in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hearth.bus.base import DeliveryDue
from hearth.domain.events import Kind
from hearth.domain.prediction import Phase
from hearth.domain.webhook import Attempt, Delivery, DeliveryState, sign
from hearth.errors import FetchFailed
from hearth.net.base import Reply
from hearth.runtime.base import Began, Logged, Outcome, Yielded
from hearth.store.sqlite.store import SQLiteStore
from hearth.testing.engine import ITERATOR, Bench, FakeSender, schema
from hearth.testing.runtime import FakeRun, FakeRuntime, hold

ALL = ("start", "output", "logs", "completed")
HOOK: dict[str, Any] = {"webhook": "https://example.com/hook", "webhook_events": ALL}


async def events(bench: Bench, id: str) -> list[tuple[str, Any]]:
    found = await bench.store.outbox.of_prediction(id)
    return [(delivery.event, msgspec.json.decode(delivery.body)) for delivery, _ in found]


class Tries:
    """Notices each try that the courier has recorded."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store, self._record = store, store.outbox.record
        self._news = asyncio.Condition()
        store.outbox.record = self.record  # type: ignore[method-assign]

    async def record(self, delivery: Delivery, attempt: Attempt) -> None:
        await self._record(delivery, attempt)
        async with self._news:
            self._news.notify_all()

    async def wait(self, id: str, count: int) -> list[tuple[Delivery, list[Attempt]]]:
        """Once this many tries of a prediction's deliveries are recorded."""
        async with asyncio.timeout(60), self._news:
            while True:
                found = await self._store.outbox.of_prediction(id)
                if sum(len(attempts) for _, attempts in found) >= count:
                    return found
                await self._news.wait()


@pytest.fixture
def tries(store: SQLiteStore) -> Tries:
    return Tries(store)


async def test_a_plain_run_tells_of_start_output_and_end(started: Any) -> None:
    bench = await started()
    prediction = await bench.run(await bench.version(), **HOOK)
    posts = await bench.sender.wait(3)
    assert [post.body["phase"] for post in posts] == ["running", "running", "succeeded"]
    assert [post.body["output"] for post in posts] == [None, "hello", "hello"]
    assert [event for event, _ in await events(bench, prediction.id)] == ["start", "output", "completed"]
    assert {post.url for post in posts} == {"https://example.com/hook"}


async def test_headers_are_signed_for_the_clients(started: Any) -> None:
    bench = await started()
    await bench.run(await bench.version(), webhook="https://example.com", webhook_events=("completed",))
    (post,) = await bench.sender.wait(1)
    headers = post.headers
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("Hearth/")
    expected = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", headers["webhook-id"], int(headers["webhook-timestamp"]), post.raw
    )
    assert headers["webhook-signature"] == expected


async def test_output_and_logs_are_throttled_and_the_last_state_is_sent(started: Any) -> None:
    steps: list[Callable[[], None]] = []

    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        steps.append(lambda: run.emit(Yielded(f"{len(steps)}")))
        steps.append(lambda: run.emit(Logged("line\n")))
        await run.go.wait()
        return Outcome(status="succeeded", output=["2", "2", "2", "2"])

    bench = await started(runtime=FakeRuntime(model))
    hook = {**HOOK, "webhook_events": ("output", "logs", "completed")}
    id = await bench.submit(await bench.version(document=schema(output=ITERATOR)), **hook)
    await bench.until(id, Kind.STARTED)
    output, log = steps
    output()
    output()
    log()
    log()
    await bench.sender.wait(2)
    await bench.advance(0.4)
    assert len(bench.sender.posts) == 2
    output()
    await bench.advance(0.2)
    posts = await bench.sender.wait(4)
    assert posts[2].body["output"] == ["2", "2", "2"]
    assert posts[3].body["logs"] == "line\nline\n"
    output()
    bench.runtime.instances[0].runs[id].go.set()
    await bench.end(id)
    posts = await bench.sender.wait(6)
    assert [post.body["phase"] for post in posts[4:]] == ["running", "succeeded"]
    assert posts[4].body["output"] == ["2", "2", "2", "2"]


async def test_only_what_was_asked_for_is_sent(started: Any) -> None:
    bench = await started()
    prediction = await bench.run(await bench.version(), webhook="https://example.com", webhook_events=("start",))
    await bench.sender.wait(1)
    assert [event for event, _ in await events(bench, prediction.id)] == ["start"]


async def test_a_prediction_canceled_in_line_tells_its_end(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    bench.runtime.boots.clear()
    id = await bench.submit(await bench.version(), **HOOK)
    await bench.cancel(id)
    assert (await bench.end(id)).phase is Phase.CANCELED
    (post,) = await bench.sender.wait(1)
    assert post.body["phase"] == "canceled"


async def test_completed_is_tried_again_until_it_is_taken(started: Any, tries: Tries) -> None:
    bench = await started()
    bench.sender.answers = [FetchFailed("no answer"), 500]
    prediction = await bench.run(await bench.version(), webhook="https://example.com", webhook_events=("completed",))
    await tries.wait(prediction.id, 1)
    await bench.advance(1)
    await tries.wait(prediction.id, 2)
    await bench.advance(2)
    await tries.wait(prediction.id, 3)
    ((delivery, attempts),) = await bench.store.outbox.of_prediction(prediction.id)
    assert delivery.state is DeliveryState.DELIVERED
    assert [(attempt.status, attempt.error) for attempt in attempts] == [
        (None, "no answer"),
        (500, "The receiver answered 500."),
        (200, None),
    ]
    assert len({post.headers["webhook-id"] for post in bench.sender.posts}) == 1


async def test_an_old_start_never_overtakes_the_end(started: Any, tries: Tries) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    bench.sender.answers = [500]
    id = await bench.submit(await bench.version(), webhook="https://example.com", webhook_events=("start", "completed"))
    await tries.wait(id, 1)
    bench.runtime.instances[0].runs[id].go.set()
    await bench.end(id)
    await tries.wait(id, 2)
    await bench.advance(5)
    found = await tries.wait(id, 3)
    assert [delivery.state for delivery, _ in found] == [DeliveryState.FAILED, DeliveryState.DELIVERED]
    assert [post.body["phase"] for post in bench.sender.posts] == ["running", "succeeded"]


async def test_a_snapshot_that_was_refused_is_not_sent_again_but_a_replay_is(started: Any, tries: Tries) -> None:
    bench = await started()
    bench.sender.answers = [500]
    account = await bench.account()
    prediction = await bench.run(await bench.version(), webhook="https://example.com", webhook_events=("output",))
    await tries.wait(prediction.id, 1)
    await bench.advance(100)
    assert len(bench.sender.posts) == 1
    ((delivery, _),) = await bench.store.outbox.of_prediction(prediction.id)
    assert delivery.state is DeliveryState.FAILED
    assert await bench.store.outbox.replay(delivery.id, account.id, bench.clock.now())
    bench.bus.submit(DeliveryDue())
    await tries.wait(prediction.id, 2)


class Hanging(FakeSender):
    """Who hangs answers only when `over` is set; those who waited until then have given up."""

    def __init__(self) -> None:
        super().__init__()
        self.over = asyncio.Event()
        self.came: asyncio.Queue[str] = asyncio.Queue()
        self.hung = self.most = 0
        """Posts to who hangs that are on their way, and the most of them."""

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Reply:
        if "hangs" in url and not self.over.is_set():
            self.hung += 1
            self.came.put_nowait(url)
            self.most = max(self.most, self.hung)
            await self.over.wait()
            self.hung -= 1
            raise FetchFailed("no answer")
        return await super().post(url, body, headers)


async def test_receivers_that_hang_hold_nobody_up(started: Any) -> None:
    bench = await started(sender=Hanging(), couriers=16)
    version = await bench.version()
    hung = [
        await bench.run(version, webhook=f"https://{n % 5}.hangs.test/{n}", webhook_events=("completed",))
        for n in range(40)
    ]
    fine = await bench.run(version, webhook="https://fine.test", webhook_events=("completed",))
    (post,) = await bench.sender.wait(1)
    assert (post.url, post.body["id"]) == ("https://fine.test", fine.id)
    assert bench.sender.most <= 10
    for id in hung:
        ((delivery, attempts),) = await bench.store.outbox.of_prediction(id.id)
        assert (delivery.state, attempts) == (DeliveryState.PENDING, [])
    bench.sender.over.set()


async def test_what_is_put_off_is_not_overtaken(started: Any) -> None:
    sender = Hanging()
    bench = await started(runtime=FakeRuntime(hold), sender=sender)
    version = await bench.version()
    for n in range(2):  # all that a stranger gets at once
        id = await bench.submit(version, webhook=f"https://hangs.test/{n}", webhook_events=("start",))
        await bench.until(id, Kind.STARTED)
        await asyncio.wait_for(sender.came.get(), 60)
        bench.runtime.instances[0].runs[id].go.set()
        await bench.end(id)
    hook = {"webhook": "https://hangs.test/good", "webhook_events": ("start", "completed")}
    id = await bench.submit(version, **hook)
    await bench.until(id, Kind.STARTED)
    await bench.advance(0.5)
    bench.runtime.instances[0].runs[id].go.set()
    await bench.end(id)
    assert sender.hung == 2
    sender.over.set()
    async with asyncio.timeout(60):
        while len(posts := [post.body["phase"] for post in sender.posts if post.body["id"] == id]) < 2:
            await bench.advance(1)
            await asyncio.sleep(0.01)  # the store answers in its own time
    assert posts == ["running", "succeeded"]


async def test_webhooks_survive_a_restart(started: Any, bench: Any, tries: Tries) -> None:
    first = await started()
    first.sender.answers = [500]
    prediction = await first.run(await first.version(), webhook="https://example.com", webhook_events=("completed",))
    await tries.wait(prediction.id, 1)
    await first.engine.stop()
    async with bench(clock=first.clock) as second:
        await second.advance(5)
        (post,) = await second.sender.wait(1)
        assert post.body["phase"] == "succeeded"
