"""What a Segment event is and what Segment does with it before a destination sees it.

Owns: the integrations object and consent, destination filters (full FQL), triggers (the hosted dialect), mapping
directives, and JavaScript's value semantics where they show. Everything is compiled once and called per event.
Pure: no I/O, no clock, no randomness but what is passed in; never mutates an event; knows nothing of ChartMogul.
"""
