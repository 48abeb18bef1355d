"""What an answer may show of itself, and secrets in any text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.ops.redact import MASK, MAX_EXCERPT_CHARS, Redactor, redact_excerpt

BODY = json.dumps(
    {
        "email": "ann@example.com",
        "first_name": "Ann",
        "phone": "+49 30 1234567",
        "custom": {"plan": "gold tier", "seats": 31, "city": "Köln"},
        "tags": ["VIP customer"],
    }
).encode()


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ('{"errors": ["email is invalid"]}', '{"errors": ["email is invalid"]}'),
        ('{"errors": ["ann@example.com is taken"]}', f'{{"errors": ["{MASK} is taken"]}}'),
        ("Hello ANN, of K\\u00f6ln and Köln!", f"Hello {MASK}, of {MASK} and {MASK}!"),
        ("gold\n  tier with 31 seats", f"{MASK} with {MASK} seats"),
        ("annual plan", "annual plan"),
        ("other@example.org, +1 (555) 123-4567, https://x/y?z", f"{MASK}, {MASK}, {MASK}"),
        ("status 422", "status 422"),
    ],
)
def test_what_was_sent_is_not_shown_again(answer, shown):
    assert redact_excerpt(answer, [BODY]) == shown


def test_an_excerpt_is_short():
    shown = redact_excerpt("word " * 10_000, [])
    assert len(shown) == MAX_EXCERPT_CHARS


WORDS = st.text(st.characters(min_codepoint=48, max_codepoint=122, categories=["L", "N"]), min_size=3, max_size=12)


@given(st.dictionaries(WORDS, WORDS, max_size=6), st.lists(st.text('ab {}",:', max_size=8)))
def test_no_value_of_the_body_is_in_the_excerpt_as_a_word(body, between):
    answer = " ".join(text + " " + value for text, value in zip([*between, *[""] * 6], body.values(), strict=False))
    words = redact_excerpt(answer, [json.dumps(body).encode()]).replace(MASK, " ").split()
    assert not set(body.values()) & set(words)


@given(st.binary(max_size=50), st.text(max_size=50))
def test_it_never_fails(body, answer):
    redact_excerpt(answer, [body])


@given(st.text(min_size=6, max_size=30).filter(lambda text: len(text.strip()) >= 6), st.text(), st.text())
def test_a_registered_secret_is_gone_from_any_text(secret, before, after):
    redactor = Redactor()
    redactor.register_secret(secret)
    for form in (secret, json.dumps(secret)):
        assert secret not in redactor(before + form + after).replace(MASK, "") or secret in before + after


def test_parts_of_a_url_are_secrets_of_their_own():
    redactor = Redactor()
    redactor.register_secret("https://user:hunter22@host/hook/TOKEN%20123?k=abcdefgh")
    text = redactor("hunter22 TOKEN%20123 'TOKEN 123' k=abcdefgh /hook/TOKEN%20123 host")
    assert text == f"{MASK} {MASK} '{MASK}' {MASK} {MASK} host"


def test_short_parts_do_not_mask_ordinary_words():
    redactor = Redactor()
    redactor.register_secret("https://host/hook/abcdefgh")
    assert redactor("the hook of host") == "the hook of host"


def test_a_secret_that_only_looks_like_a_url():
    redactor = Redactor()
    redactor.register_secret("abc://[secret")
    assert redactor("x abc://[secret") == f"x {MASK}"
