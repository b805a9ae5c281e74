"""What things are and how they may change. Pure: nothing here waits, reads a clock or touches a disk.

Records are frozen `msgspec.Struct`s; `msgspec.structs.replace` makes the changed copy. The prediction's
state machine is one table in `prediction.py`; its history is the numbered list of events in `events.py`.
"""
