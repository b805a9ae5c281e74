"""Callers who do everything at once, and remember what they were promised."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import httpx

PATIENCE = 5
"""Seconds until a hanging run is to be ended: the least that Cancel-After takes."""
_OFTEN = {"quick": 8, "slow": 4, "stream": 4, "crash": 2, "leak": 3, "hang": 1, "moody": 2}


class Load:
    """Creates predictions as fast as it may, whether there is a server or not: `with Load(...) as load:`."""

    def __init__(
        self, http: httpx.Client, versions: Mapping[str, str], hook: str, choose: random.Random, callers: int = 3
    ) -> None:
        self.promised: dict[str, str] = {}
        """Model by id, of every prediction that was acknowledged."""
        self.keys: dict[str, str] = {}
        self.refused: Counter[int] = Counter()
        """Answers that were no acknowledgement, by status: 503 while the disk is full, say."""
        self.canceled = 0
        self._http, self._versions, self._hook = http, versions, hook
        self._keys = itertools.count()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(random.Random(choose.random()),), name=f"caller {n}")
            for n in range(callers)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _call(self, choose: random.Random) -> None:
        names, weights = list(_OFTEN), list(_OFTEN.values())
        while not self._over.wait(choose.uniform(0, 0.08)):
            (name,) = choose.choices(names, weights)
            key = f"key-{next(self._keys)}"
            try:
                created = self._create(name, key, choose)
                if created is not None:
                    self._use(created, choose)
            except httpx.TransportError:
                continue

    def _create(self, name: str, key: str, choose: random.Random) -> Any:
        input: dict[str, Any] = {"key": key}
        headers = {}
        if name == "slow":
            input["seconds"] = choose.choice([0.05, 0.2, 0.6])
        if name == "crash":
            input["how"] = choose.choice(["answer", "answer", "raise", "exit", "kill"])
        if name == "hang":
            headers["Cancel-After"] = f"{PATIENCE}s"
        if choose.random() < 0.2:
            headers["Prefer"] = "wait=1"
        body = {
            "version": self._versions[name],
            "input": input,
            "webhook": self._hook,
            "webhook_events_filter": ["completed"],
        }
        answer = self._http.post("predictions", json=body, headers=headers)
        if answer.status_code != 201:
            self.refused[answer.status_code] += 1
            return None
        created = answer.json()
        self.keys[created["id"]] = key
        self.promised[created["id"]] = name
        return created

    def _use(self, created: Any, choose: random.Random) -> None:
        if choose.random() < 0.05:
            self._http.post(f"predictions/{created['id']}/cancel")
            self.canceled += 1
        elif "stream" in created["urls"] and choose.random() < 0.1:
            with self._http.stream("GET", created["urls"]["stream"]) as stream:
                for _ in stream.iter_lines():
                    if self._over.is_set() or choose.random() < 0.05:  # some hang up before the end
                        break
