"""Segment events from Kafka become ChartMogul customers and contacts.

An event's way, in one direction::

    kafka.poll → kafka.decode → segment (integrations → filters → triggers → mapping) → chartmogul (coerce, check, body)
      → delivery (lane → batch → gate) → webhook → delivery (outcome → ledger) → kafka.commit | kafka.dead_letter

``segment``, ``chartmogul`` and ``delivery`` decide and are pure; ``kafka``, ``webhook``, ``sandbox`` and ``ops`` do
I/O; ``cli`` wires them.
"""

__version__ = "0.1.0"
