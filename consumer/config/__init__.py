"""Settings and mappings files: typed, validated as a whole before anything starts, every mistake named with its path.

The JSON Schemas in ``schemas/`` and the reference pages are generated from these types.
"""
