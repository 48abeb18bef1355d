"""Liquid templates as Segment's ``@liquid`` renders them: the language of liquidjs 10.30, bounded.

Owns: cutting a template into text, outputs and tags (`tokens`), reading expressions (`cursor`, `expressions`), tags
(`template`), filters (`filters_…`), and the values beside JSON (`values`). A template is parsed once to closures.

An engine of its own, because the answer has to be liquidjs' own: which characters make a name, that ``{{ a == b }}`` is
an output, what a filter makes of null, of a list, of a number in a text. An engine made after Shopify's Liquid answers
otherwise in each. There are no loops (the original disables them), no files, no patterns that backtrack, and
the work for one event is counted (`values.Budget`), not timed: the same event always has the same end.

Pure; never mutates the event it is given.
"""

from consumer.segment.liquid.template import compile_template
from consumer.segment.liquid.values import LiquidError

__all__ = ["LiquidError", "compile_template"]
