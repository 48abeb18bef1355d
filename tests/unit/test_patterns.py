"""Regular expressions mean the same on every Python that is supported.

Before 3.11.5, CPython matches a possessive quantifier over a group wrongly (https://github.com/python/cpython/issues/106052):
``(?:[a-z]++(?:-++[a-z]++)*+\\.)++[a-z]++`` does not match ``example.com``, and every e-mail address was refused on
Debian 12's own Python. Over a single character or class it is right everywhere.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from re import _constants as codes
from re import _parser as parser

import pytest

import consumer

SINGLE = {codes.IN, codes.LITERAL, codes.NOT_LITERAL, codes.ANY}


def possessive_groups(pattern) -> int:
    """How many possessive quantifiers stand over more than one character or class."""

    def walk(node) -> int:
        found = 0
        if isinstance(node, parser.SubPattern):
            return sum(walk(item) for item in node.data)
        if isinstance(node, tuple | list):
            if node and node[0] in (codes.POSSESSIVE_REPEAT, codes.ATOMIC_GROUP):
                inner = node[1][2] if node[0] is codes.POSSESSIVE_REPEAT else node[1]
                found += not (len(inner) == 1 and inner[0][0] in SINGLE)
            found += sum(walk(item) for item in node)
        return found

    return walk(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))


def patterns():
    for module in pkgutil.walk_packages(consumer.__path__, "consumer."):
        if module.name != "consumer.__main__":
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    yield pytest.param(value, id=f"{module.name}.{name}")


@pytest.mark.parametrize("pattern", list(patterns()))
def test_no_pattern_rests_on_what_early_pythons_match_wrongly(pattern):
    assert possessive_groups(pattern) == 0


def test_the_check_sees_one():
    assert possessive_groups(re.compile(r"(?:[a-z]++(?:-++[a-z]++)*+\.)++[a-z]++")) == 2
    assert possessive_groups(re.compile("(?>ab)c")) == 1
    assert possessive_groups(re.compile(r"[a-z]++(?:-[a-z]*+)*.?+")) == 0
