"""Says of one record on a topic what became of it and why: the command ``explain``.

Reads with partitions that it assigns to itself: it joins no group, commits nothing, writes nothing and posts nothing.
"""
