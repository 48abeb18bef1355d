"""A local stand-in for ChartMogul and the sample stream, for the demo, tests and trying things out.

Must never be imported by the service (``run``): what it assumes about ChartMogul is marked as an assumption.
"""
