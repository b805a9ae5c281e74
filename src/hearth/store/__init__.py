"""Rows: accounts, models, versions, builds, predictions with their queue and events, files, the outbox.

`base.py` is the port, one small protocol per noun. `sqlite/` and `postgres/` pass the same contract suite.
"""
