"""Use cases without transport: what a caller may do, checked, recorded and handed to the engine.

The API, the pages and the tests call the same classes. Callers are `Account`s; what is not theirs does not
exist (NotFound). Everything is given to the constructors: ports, the clock and a few numbers.
"""
