"""Dead letters, or a stretch of the source topics, sent again on purpose: once, bounded, selected, at its own rate.

Owns: what is selected and from where (`selection`), the bounded reading (`source`), which deliveries of a record are
meant (`planning`), what a dead letter says that failed again (`letterbox`), a run (`run`), a trial of one (`dry_run`).
Order, retries, gate, halts and dead letters are the service's own: the same machine, driver, sender and writer.
Must never write to a source topic, join the service's group, or commit into it.
"""
