"""``@liquid``: a Liquid template."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from consumer.errors import MappingError
from consumer.segment.directives.site import constant
from consumer.segment.js import utf16_length

if TYPE_CHECKING:
    from consumer.segment.directives.site import Resolver, Site

_RELATIVE_DATE = re.compile(r"""["'](?:now|today)["']\s*\|\s*date""")
MAX_TEMPLATE: Final = 1000
"""UTF-16 units of a template, as the original."""


def compile_liquid_directive(template: Any, site: Site) -> Resolver:
    """``@liquid``: the rendered text. A template with a mistake fails for every event; the mistake is noted."""
    # Here: a twelfth of the service's import, and most mappings have no template.
    from consumer.segment.liquid import LiquidError, compile_template  # noqa: PLC0415 - as above

    if not isinstance(template, str):
        return site.fails("@liquid needs a text")
    if not template:
        return constant("")
    if utf16_length(template) > MAX_TEMPLATE:
        return site.fails(f"@liquid templates have at most {MAX_TEMPLATE} characters")
    if _RELATIVE_DATE.search(template):
        site.note("fails for every event: the date of now is not what an event says; map a time of the event instead")
    try:
        render = compile_template(template)
    except LiquidError as error:
        return site.fails(f"@liquid: {error}")

    def resolve(payload: Any) -> str:
        try:
            return render(payload)
        except LiquidError as error:
            raise MappingError(f"@liquid: {error}") from None

    return resolve
