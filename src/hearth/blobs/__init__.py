"""Bytes by key: uploads, outputs, sources. Content types and names live in the rows that point here."""
