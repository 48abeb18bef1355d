"""Everything that talks to Kafka: the poll loop on its own thread, decoding, commits, dead letters, embedded broker.

Must never decide which offset is committed or what becomes of an event: that is ``delivery``'s.
"""
