"""Full-text search: tsvectors by words, their stems and beginnings, then arrays of three letters."""

from __future__ import annotations

from collections.abc import Sequence

from hearth.domain.catalog import DocPage, Findable, Hit
from hearth.domain.search import CANDIDATES, likeness, trigrams
from hearth.store.postgres.database import Database, clean

# Beginnings are looked up as they are, whole words by their stems too.
BY_WORDS = """
SELECT f.key, f.name, ts_rank('{0.1, 0.2, 0.4, 1.0}', f.words, q) AS score
FROM (SELECT to_tsquery('pg_catalog.simple', $1) || to_tsquery('pg_catalog.english', $1) AS q) query
JOIN findable f ON f.words @@ q LEFT JOIN models m ON f.kind = 'model' AND m.id = f.key
WHERE f.kind = $2 AND (m.id IS NULL OR m.visibility = 'public' OR m.account_id = $3)
ORDER BY score DESC, f.key LIMIT $4
"""
BY_LETTERS = """
SELECT f.key, f.name, f.about
FROM findable f LEFT JOIN models m ON f.kind = 'model' AND m.id = f.key
WHERE f.trigrams && $1::text[] AND f.kind = $2 AND (m.id IS NULL OR m.visibility = 'public' OR m.account_id = $3)
ORDER BY (SELECT count(*) FROM unnest(f.trigrams) t WHERE t = ANY ($1)) DESC, f.key LIMIT $4
"""
FORGET_PAGES = "DELETE FROM findable WHERE kind = 'page' AND NOT key = ANY ($1)"
SET_PAGE = """
INSERT INTO findable (kind, key, name, about, text) VALUES ('page', $1, $2, '', $3)
ON CONFLICT (kind, key) DO UPDATE SET name = excluded.name, text = excluded.text
WHERE findable.name <> excluded.name OR findable.text <> excluded.text
"""


class PostgresSearch:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, kind: Findable, words: Sequence[str], *, account_id: str, limit: int) -> list[Hit]:
        wanted = list(words)
        if not wanted:
            return []
        beginnings = " & ".join([f"'{word}':*" for word in wanted])
        rows = await self._database.fetch(BY_WORDS, beginnings, kind.value, account_id, limit)
        hits = [Hit(key, name, score) for key, name, score in rows]
        letters = trigrams(wanted)
        if len(hits) >= limit or not letters:
            return hits
        known = {hit.key for hit in hits}
        alike = [
            (likeness(wanted, f"{name} {about}"), Hit(key, name, None))
            for key, name, about in await self._database.fetch(BY_LETTERS, letters, kind.value, account_id, CANDIDATES)
            if key not in known
        ]
        alike = sorted((found for found in alike if found[0]), key=lambda found: (-found[0], found[1].key))
        return hits + [hit for _, hit in alike][: limit - len(hits)]

    async def set_pages(self, pages: Sequence[DocPage]) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(FORGET_PAGES, [page.href for page in pages])
            await connection.executemany(SET_PAGE, [clean(page) for page in pages])
