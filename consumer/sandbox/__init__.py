"""A local stand-in for ChartMogul and the sample stream, for the demo, tests and trying things out.

``server.Sandbox`` answers the webhook and shows what arrived; ``bodies`` is what it takes for valid, ``store`` what it
keeps, ``traffic`` its limits, ``faults`` how it is made to fail, ``runner`` how it is run (a thread, a program).

Must never be imported by the service (``run``), and shares no code with what it checks. What it assumes about
ChartMogul is marked as an assumption: in the docstrings, and by the running sandbox at ``GET /``.
"""
