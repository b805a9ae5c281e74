"""Rate limits: each call takes a token of its account's bucket, without waiting for anything.

Where several processes serve one database, each counts for itself and they tell each other every second
(`exchange`): an account gets at most what the processes let through within that second beyond its allowance.
"""

from __future__ import annotations

import logging

from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.limits import Lane, Usage
from hearth.errors import HearthError
from hearth.policy.ratelimit import WINDOW, Bucket, Rates, Verdict, rates
from hearth.store.base import Store

log = logging.getLogger(__name__)

INTERVAL = 1.0
_FORGET = 10_000
"""Buckets held; beyond that, those whose minute is over are let go."""


class Limits:
    def __init__(self, *, store: Store, clock: Clock, server: Rates = Rates()) -> None:  # noqa: B008 - it is a tuple
        self._store = store
        self._clock = clock
        self._server = server
        self._off = server == Rates()
        self._buckets: dict[tuple[str, Lane], Bucket] = {}

    def take(self, account: Account, lane: Lane, count: int = 1) -> Verdict | None:
        """For `count` calls at once: all of them may go on, or none. None where nothing limits this account in this
        lane."""
        creates, others = account.creates_per_minute, account.others_per_minute
        if self._off and creates is None and others is None:
            return None
        allowed = rates(self._server, creates, others)
        if lane is Lane.CREATES:
            allowance = allowed.creates
        else:
            allowance = allowed.reads if lane is Lane.READS else allowed.others
        if allowance is None:
            return None
        bucket = self._buckets.get((account.id, lane))
        if bucket is None:
            bucket = self._bucket(account.id, lane)
        return bucket.take(allowance, self._clock.now(), count)

    async def run(self) -> None:
        """Exchange for ever. For a server that shares its database with others."""
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                await self.exchange()
            except HearthError as error:
                log.warning("rate limits count alone for now: %s", error.message, extra={"action": "limits.alone"})

    async def exchange(self) -> None:
        """Tell the other processes what was let through here, and hear what they let through."""
        now = self._clock.now()
        usages = [
            Usage(account_id, lane, bucket.unreported, bucket.started_at)
            for (account_id, lane), bucket in self._buckets.items()
            if bucket.started_at + WINDOW > now
        ]
        if not usages:
            return
        reported = {(usage.account_id, usage.lane): usage for usage in usages}
        for told in await self._store.rates.exchange(usages, now, WINDOW):
            key = (told.account_id, told.lane)
            bucket, mine = self._buckets.get(key), reported[key]
            if bucket is not None and bucket.started_at == mine.started_at:
                bucket.told(told.calls, told.started_at, mine.calls)

    def _bucket(self, account_id: str, lane: Lane) -> Bucket:
        if len(self._buckets) >= _FORGET:
            now = self._clock.now()
            self._buckets = {k: b for k, b in self._buckets.items() if b.started_at + WINDOW > now}
        bucket = self._buckets[account_id, lane] = Bucket()
        return bucket
