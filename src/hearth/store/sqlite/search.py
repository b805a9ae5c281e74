"""Full-text search: FTS5 by words and their beginnings, then by groups of three letters."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from hearth.domain.catalog import DocPage, Findable, Hit
from hearth.domain.search import CANDIDATES, likeness, trigrams
from hearth.store.rows import to_json
from hearth.store.sqlite.sql import fetch
from hearth.store.sqlite.threads import Readers, Writer

# Names count most, then the description. bm25 is better the lower it is.
_FIND = """
SELECT f.key, f.name, f.about, -bm25({table}{weights}) AS score
FROM {table} t JOIN findable f ON f.number = t.rowid LEFT JOIN models m ON f.kind = 'model' AND m.id = f.key
WHERE {table} MATCH ?1 AND f.kind = ?2 AND (m.id IS NULL OR m.visibility = 'public' OR m.account_id = ?3)
ORDER BY score DESC, f.key LIMIT ?4
"""
BY_WORDS = _FIND.format(table="findable_words", weights=", 10, 4, 1")
BY_LETTERS = _FIND.format(table="findable_trigrams", weights=", 10, 4")
FORGET_PAGES = "DELETE FROM findable WHERE kind = 'page' AND key NOT IN (SELECT value FROM json_each(?))"
SET_PAGE = """
INSERT INTO findable (kind, key, name, about, text) VALUES ('page', ?, ?, '', ?)
ON CONFLICT (kind, key) DO UPDATE SET name = excluded.name, text = excluded.text
WHERE name <> excluded.name OR text <> excluded.text
"""


class SQLiteSearch:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def find(self, kind: Findable, words: Sequence[str], *, account_id: str, limit: int) -> list[Hit]:
        wanted = list(words)
        if not wanted:
            return []
        beginnings = " ".join([f'"{word}"*' for word in wanted])
        letters = " OR ".join([f'"{group}"' for group in trigrams(wanted)])

        def operation(db: apsw.Connection) -> list[Hit]:
            rows = fetch(db, BY_WORDS, (beginnings, kind.value, account_id, limit))
            hits = [Hit(key, name, score) for key, name, _, score in rows]
            if len(hits) >= limit or not letters:
                return hits
            known = {hit.key for hit in hits}
            rows = fetch(db, BY_LETTERS, (letters, kind.value, account_id, CANDIDATES))
            alike = [
                (likeness(wanted, f"{name} {about}"), Hit(key, name, None))
                for key, name, about, _ in rows
                if key not in known
            ]
            alike = sorted((found for found in alike if found[0]), key=lambda found: (-found[0], found[1].key))
            return hits + [hit for _, hit in alike][: limit - len(hits)]

        return await self._readers.submit(operation)

    async def set_pages(self, pages: Sequence[DocPage]) -> None:
        def operation(db: apsw.Connection) -> None:
            db.execute(FORGET_PAGES, (to_json([page.href for page in pages]),))
            db.executemany(SET_PAGE, pages)

        await self._writer.submit(operation)
