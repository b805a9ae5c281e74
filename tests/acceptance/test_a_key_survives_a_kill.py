"""A server that is killed while predictions are created makes none of them twice, if they had keys."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx

from hearth.testing.live import LiveServer

ROOT = Path(__file__).parents[2]
COUNT = 200


def test_a_key_survives_a_kill(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", tls=False) as server:
        server.hearth("push", str(ROOT / "tests" / "models" / "noop"), "admin/noop", "--create")
        answered: dict[int, str] = {}
        some = threading.Event()

        def create(n: int) -> None:
            headers = {"Authorization": f"Bearer {server.token}", "Idempotency-Key": f"key-{n}"}
            body = {"version": "admin/noop", "input": {"text": str(n)}}
            response = httpx.post(f"{server.url}/v1/predictions", json=body, headers=headers, trust_env=False)
            assert response.status_code == 201, response.text
            answered[n] = response.json()["id"]

        def work(numbers: range) -> None:
            for n in numbers:
                try:
                    create(n)
                except httpx.TransportError:
                    return
                if len(answered) >= 40:
                    some.set()

        threads = [threading.Thread(target=work, args=(range(start, COUNT, 4),)) for start in range(4)]
        for thread in threads:
            thread.start()
        assert some.wait(60)
        server.kill()
        for thread in threads:
            thread.join(60)
        before = dict(answered)
        server.start()
        for n in range(COUNT):
            create(n)
        assert {n: answered[n] for n in before} == before
        listed, url = [], f"{server.url}/v1/predictions"
        while url:
            page = httpx.get(url, headers={"Authorization": f"Bearer {server.token}"}, trust_env=False).json()
            listed += [p["id"] for p in page["results"]]
            url = page["next"]
        assert sorted(listed) == sorted(answered.values())
        assert len(set(listed)) == COUNT
