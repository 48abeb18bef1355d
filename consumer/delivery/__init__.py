"""Decides what is sent when, and which offset may be committed.

Owns: lanes, batches, the gate (halt, breaker, Retry-After, rate, concurrency), the retry policy, the offset ledger, and
the machine that joins them: ``machine.handle(event, now) -> actions``.
Pure: no I/O, no asyncio, no threads, no clock (``now`` is an argument, monotonic seconds), no randomness but an
injected one.
"""
