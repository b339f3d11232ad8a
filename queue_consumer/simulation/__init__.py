"""What a trace of requests would have come to under another cap, other priorities or durations: the
consumer's own tick, on a virtual clock and an engine in memory.

Read `trace.py`, then `replay.py`, then `figures.py`.
"""
