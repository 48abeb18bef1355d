"""The kinds of traps in hosted triggers: what each one does, and what to write instead.

A trap is a piece of a trigger that reads one way, as documented FQL, and runs another way in the hosted dialect.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class TrapKind(StrEnum):
    """Why a trigger does not do what it reads."""

    UNKNOWN_FIELD = "unknown_field"
    SUBPATH_IGNORED = "subpath_ignored"
    WHOLE_OBJECT = "whole_object"
    ESCAPED_SEPARATOR = "escaped_separator"
    LIST_ACCESS = "list_access"
    ENGINE_MEMBER = "engine_member"
    PATH_CUT_SHORT = "path_cut_short"
    LITERAL_FIRST = "literal_first"
    BARE_FIELD = "bare_field"
    ALL = "all"
    NEGATION_IGNORED = "negation_ignored"
    NEGATED_FUNCTION = "negated_function"
    NESTED_PARENTHESES = "nested_parentheses"
    GROUP_ENDS_EARLY = "group_ends_early"
    MIXED_AND_OR = "mixed_and_or"
    UPPER_CASE = "upper_case"
    SINGLE_QUOTES = "single_quotes"
    UNQUOTED_VALUE = "unquoted_value"
    IN_OPERATOR = "in_operator"
    WORD_OPERATOR = "word_operator"
    DOUBLED_OPERATOR = "doubled_operator"
    MISSING_SPACE = "missing_space"
    CARRIAGE_RETURN = "carriage_return"
    NOT_EQUAL_BOOLEAN = "not_equal_boolean"
    NOT_EQUAL_NUMBER = "not_equal_number"
    COMPARED_AS_TEXT = "compared_as_text"
    ORDER_OF_TEXT = "order_of_text"
    UNKNOWN_FUNCTION = "unknown_function"
    ARGUMENT_NO_TEXT = "argument_no_text"
    MATCH_PATTERN = "match_pattern"
    UNREADABLE = "unreadable"
    READS_DIFFERENTLY = "reads_differently"


class Trap(Struct, frozen=True):
    """One trap found in a trigger.

    Attributes:
        kind: which.
        message: what happens instead of what is written, and the remedy.
        effective: the whole trigger as it really runs.
    """

    kind: TrapKind
    message: str
    effective: str

    def __str__(self) -> str:
        """``kind: message (it runs as: effective)``."""
        return f"{self.kind.value}: {self.message} (it runs as: {self.effective})"


NEVER_FIRES = "(never: the hosted destination cannot read it and skips every event)"
"""`Trap.effective` of a trigger that is no trigger."""

MESSAGES: dict[TrapKind, str] = {
    TrapKind.UNKNOWN_FIELD: (
        "hosted triggers do not know {0} here, so this condition is dropped, which widens the trigger or leaves "
        "nothing of it; only type, event, name, userId, properties.…, traits.… and context.… count (in contains and "
        "match not type). "
        "Use a destination filter for {0}, or remove the condition."
    ),
    TrapKind.SUBPATH_IGNORED: (
        "all behind the first dot of {0} is ignored: the field itself is compared. Write it without the rest."
    ),
    TrapKind.WHOLE_OBJECT: (
        "{0} alone means the field {0}.{0}. Name a field below it, or use a destination filter for the whole object."
    ),
    TrapKind.ESCAPED_SEPARATOR: (
        r"an escaped . [ or ] in {0} still separates names, so the field is looked for one level down. "
        "Use a destination filter for such a name."
    ),
    TrapKind.LIST_ACCESS: (
        "{0} reaches into a list or a text as JavaScript does (an index or its length), which no documented trigger "
        "can; in square brackets it never matches. Use a destination filter with in or length()."
    ),
    TrapKind.ENGINE_MEMBER: (
        "every object of the hosted engine has a member named like one in {0}, so it always exists. "
        "Use a destination filter for such a name."
    ),
    TrapKind.PATH_CUT_SHORT: (
        "{0} is cut where a name is and, or, null or starts with a digit or a hyphen, and then never matches. "
        r"Put a \ before that name's first character."
    ),
    TrapKind.LITERAL_FIRST: "{0} stands where a field is due and is dropped. Write the field first: field = {0}.",
    TrapKind.BARE_FIELD: (
        "{0} alone is no condition: what follows is taken for operator and value. Write: {0} = true, or {0} != null."
    ),
    TrapKind.ALL: '"all" is for destination filters; as a trigger it never fires. Write: type != "".',
    TrapKind.NEGATION_IGNORED: (
        '{0} is ignored, so the trigger does the opposite of what it says. Turn the operators round (= into !=, "and" '
        'into "or") or use a destination filter that drops.'
    ),
    TrapKind.NEGATED_FUNCTION: (
        "!{0}(…) is false where the field is missing or no text, though it reads as true there. Use a destination "
        "filter that drops on {0}(…), or allow the quirk if that is what you want."
    ),
    TrapKind.NESTED_PARENTHESES: (
        "parentheses inside parentheses cannot be read, so the trigger never fires. Write it with one level, or as "
        "several mappings."
    ),
    TrapKind.GROUP_ENDS_EARLY: (
        "a group ends at its first closing parenthesis, here that of {0}(…); what follows stands outside it. Put the "
        "function last in its group."
    ),
    TrapKind.MIXED_AND_OR: (
        '"and" and "or" side by side: the last one written joins all conditions of the group. Put parentheses around '
        "one kind, or write several mappings."
    ),
    TrapKind.UPPER_CASE: "{0} has no meaning in capitals and is dropped. Write it in lower case.",
    TrapKind.SINGLE_QUOTES: (
        "the single quotes are compared with as part of the text, so {0} matches no ordinary value. Use double quotes."
    ),
    TrapKind.UNQUOTED_VALUE: '{0} is taken for a text, not for a field\'s value. Write: "{0}".',
    TrapKind.IN_OPERATOR: 'a condition with "in" is never true. Write: field = "a" or field = "b".',
    TrapKind.WORD_OPERATOR: (
        '{0} is no operator. Write: field = "value", contains(field, "value") or match(field, "value*").'
    ),
    TrapKind.DOUBLED_OPERATOR: "{0} is read as two operators. Write one of = != < <= > >=.",
    TrapKind.MISSING_SPACE: "a space is missing before {0}, so it is read as something else or not at all. Add it.",
    TrapKind.CARRIAGE_RETURN: (
        "a carriage return is no space to the hosted parser and breaks the trigger. End lines with a line feed."
    ),
    TrapKind.NOT_EQUAL_BOOLEAN: (
        "{0} compares with a text, so a true or false in the event always differs from it. Write: field = true, or "
        "field = false."
    ),
    TrapKind.NOT_EQUAL_NUMBER: (
        "{0} is false where the field is missing or no number, though it reads as true there. Use a destination "
        "filter, or allow the quirk if that is what you want."
    ),
    TrapKind.COMPARED_AS_TEXT: (
        "{0} compares with the value as a text. Put it into double quotes if the event has a text there; else there is "
        "no trigger for it: use a destination filter."
    ),
    TrapKind.ORDER_OF_TEXT: ("{0} turns the value into a number before it compares. Write a number, without quotes."),
    TrapKind.UNKNOWN_FUNCTION: (
        "hosted triggers have no function {0}(…), and cannot be read with it. There are contains and match; "
        "use a destination filter for {0}."
    ),
    TrapKind.ARGUMENT_NO_TEXT: "{0}(…) takes its second argument as text. Put it into double quotes.",
    TrapKind.MATCH_PATTERN: (
        "{0} is not taken as a pattern: with a * at the end the rest has to stand at the start, else the first "
        'character is dropped and the rest has to stand at the end. Write "start*" or "*end", without other *, ?, '
        "[ or \\; or = for the whole text."
    ),
    TrapKind.UNREADABLE: "{0}.",
    TrapKind.READS_DIFFERENTLY: (
        'it is not understood as it is written. Write plain conditions (field = "value") joined by "and" or by "or", '
        "and compare with what it runs as."
    ),
}
"""What `Trap.message` says; {0} is the piece of the trigger that is meant."""
