"""What ChartMogul is sent.

Owns: field types and their coercion, Send Contact, Send Customer, and the router which joins both with Segment's
triggers and mappings into the deliveries of an event.

Pure: no I/O, no clock; never mutates an event; never decides when something is sent.
"""
