"""Bring an instance up, run predictions on it, and end it; build what instances need.

`base.py` is the port. `process.py` runs coglet as local processes in an environment built by uv.
"""
