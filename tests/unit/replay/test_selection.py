"""What a run takes, and what it knows again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.messages import Partition, Position
from consumer.kafka.dead_letter_headers import without_value
from consumer.outcomes import DecodeReason, RejectReason, Stage
from consumer.replay.selection import (
    LEFT_PLACES,
    Origin,
    Selection,
    Sieve,
    Stretch,
    attempts_of,
    context_of,
    event_of,
    new_run_id,
    original_place,
    unix_ms,
)
from tests.unit.replay.cases import AT_MS, TOPIC, letter, record

GROUP = "group.replay.run"


def selection(**changes) -> Selection:
    return Selection(**{"origin": Origin.DEAD_LETTERS, "topics": (TOPIC,), **changes})


def takes(message, **changes) -> bool:
    return selection(**changes).takes(message, context_of(message))


# ---- one record


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ({}, True),
        ({"reasons": frozenset({"http_rejected"})}, True),
        ({"reasons": frozenset({"invalid_json", "http_rejected"})}, True),
        ({"reasons": frozenset({"invalid_json"})}, False),
        ({"stages": frozenset({"deliver"})}, True),
        ({"stages": frozenset({"decode"})}, False),
        ({"mappings": frozenset({"leads"})}, True),
        ({"mappings": frozenset({"others"})}, False),
        ({"keys": frozenset({b"key"})}, True),
        ({"keys": frozenset({b"ke"})}, False),
        ({"since_ms": AT_MS}, True),
        ({"since_ms": AT_MS + 1}, False),
        ({"until_ms": AT_MS}, False),
        ({"until_ms": AT_MS + 1}, True),
        ({"stretches": (Stretch(Partition(TOPIC, 0), 5, 6),)}, True),
        ({"stretches": (Stretch(Partition(TOPIC, 0), 4, 5),)}, False),
        ({"stretches": (Stretch(Partition(TOPIC, 0), 6),)}, False),
        ({"stretches": (Stretch(Partition(TOPIC, 1)),)}, False),
        ({"stretches": (Stretch(Partition(TOPIC, 1)), Stretch(Partition(TOPIC, 0)))}, True),
        ({"reasons": frozenset({"http_rejected"}), "keys": frozenset({b"other"})}, False),
    ],
)
def test_a_letter_is_taken_by_its_headers_key_and_place(wanted, taken):
    assert takes(letter(5), **wanted) is taken


def test_a_letter_that_reached_no_mapping_is_of_none():
    undecodable = letter(5, reason=DecodeReason.INVALID_JSON, stage=Stage.DECODE, mapping="")
    assert takes(undecodable)
    assert not takes(undecodable, mappings=frozenset({"leads"}))


def test_a_letter_whose_time_cannot_be_read_has_that_of_its_record():
    headers = [("dlq_schema", b"1"), ("dlq_at", b"yesterday")]
    assert takes(record(5, headers, timestamp_ms=50), since_ms=50)
    assert not takes(record(5, headers, timestamp_ms=50), since_ms=51)


def test_a_source_record_has_its_own_time_whatever_its_headers_say():
    source = selection(origin=Origin.SOURCE, since_ms=AT_MS)
    parked_later = letter(5)
    old = record(5, parked_later.headers(), timestamp_ms=AT_MS - 1)
    assert not source.takes(old, {})
    assert source.takes(parked_later, {})


@pytest.mark.parametrize("what", ["reasons", "stages", "groups"])
def test_source_records_have_neither_reason_nor_stage(what):
    with pytest.raises(ValueError, match="neither reason nor stage"):
        selection(origin=Origin.SOURCE, **{what: frozenset({"deliver"})})


def test_the_digest_tells_selections_apart_and_knows_the_same_again():
    selections = [
        selection(),
        selection(origin=Origin.SOURCE),
        selection(topics=("other",)),
        selection(reasons=frozenset({"leads"})),
        selection(groups=frozenset({"leads"})),
        selection(mappings=frozenset({"leads"})),
        selection(keys=frozenset({b"leads"})),
        selection(since_ms=1),
        selection(until_ms=1),
        selection(stretches=(Stretch(Partition(TOPIC, 0), 1),)),
        selection(stretches=(Stretch(Partition(TOPIC, 0), 1, 2),)),
    ]
    assert len({each.digest for each in selections}) == len(selections)
    assert selection(reasons=frozenset({"a", "b"})).digest == selection(reasons=frozenset({"b", "a"})).digest
    now = datetime(2026, 1, 31, 2, 3, 4, 56_000, timezone(timedelta(hours=2)))
    assert new_run_id(selection(), now) == f"20260131T000304056Z-{selection().digest}"


# ---- headers that anybody may have written


@given(st.text(max_size=30))
def test_no_header_breaks_it(text):
    context = {"dlq_topic": text, "dlq_partition": text, "dlq_offset": text, "dlq_attempts": text, "dlq_event": text}
    place = original_place(context)
    assert place is None or str(place[1]) == text.lstrip("0") or set(text) == {"0"}
    assert attempts_of(context) >= 0
    assert (event_of(context) is None) is (place is None)
    assert unix_ms(text) == 0 or datetime.fromisoformat(text)


def test_times():
    assert unix_ms("2026-09-21T14:13:20.000Z") == AT_MS
    assert unix_ms("2026-09-21T16:13:20+02:00") == AT_MS
    assert unix_ms("2026-09-21T14:13:20") == 0, "a time without a zone is no time"
    assert datetime.fromtimestamp(AT_MS / 1000, UTC).year == 2026


# ---- the sieve


def test_what_stands_for_others_is_sent_once_at_its_first_place():
    sieve = Sieve(selection(), GROUP, {})
    letters = [letter(0, 7), letter(1, 8), letter(2, 7), letter(3, 7, mapping="others"), letter(4, 7, partition=1)]
    assert [sieve.passes(each) for each in letters] == [True, True, False, True, True]
    assert (sieve.selected, sieve.passed, sieve.merged) == (5, 4, 1)


def test_only_letters_that_are_selected_stand_for_others():
    """The first is older than what was asked for: the second is sent, not forgotten."""
    sieve = Sieve(selection(since_ms=AT_MS + 1), GROUP, {})
    assert [sieve.passes(each) for each in (letter(0), letter(1, at_ms=AT_MS + 1))] == [False, True]
    assert sieve.selected == 1


def test_each_event_of_a_record_has_letters_of_its_own():
    sieve = Sieve(selection(), GROUP, {})
    letters = [letter(at, 7, event=event, mapping="") for at, event in enumerate((0, 2, 0))]
    assert [sieve.passes(each) for each in letters] == [True, True, False]


def test_a_letter_that_does_not_say_which_event_stands_for_all_of_its_record():
    """The new letter of one event that failed again is merged into the old version's, which sends it."""
    sieve = Sieve(selection(), GROUP, {})
    assert [sieve.passes(each) for each in (letter(0, 7), letter(1, 7, event=1), letter(2, 8, event=1))] == [
        True,
        False,
        True,
    ]


def test_letters_of_an_unknown_place_stand_for_themselves():
    headers = [("dlq_schema", b"1"), ("dlq_topic", b"events"), ("dlq_offset", b"x")]
    sieve = Sieve(selection(), GROUP, {})
    assert [sieve.passes(record(at, headers)) for at in range(2)] == [True, True]


def test_other_peoples_records_and_its_own_letters_are_passed_over():
    sieve = Sieve(selection(), GROUP, {})
    assert not sieve.passes(record(0))
    assert not sieve.passes(record(1, [("dlq_schema", b"9")]))
    assert not sieve.passes(letter(2, group=GROUP))
    assert (sieve.foreign, sieve.selected) == (2, 0)


def test_of_a_shared_topic_only_the_letters_of_its_groups_are_sent_and_the_others_counted():
    sieve = Sieve(selection(groups=frozenset({"group"}), mappings=frozenset({"leads"})), GROUP, {})
    groups = ["group", "group.replay.earlier", "other", "groups", "other.replay.x", "", "\x1b"]
    letters = [letter(at, at, group=group) for at, group in enumerate(groups)]
    letters.append(letter(7, 7, group="third", mapping="others"))  # not selected anyway
    assert [sieve.passes(each) for each in letters] == [True, True, *[False] * 6]
    assert (sieve.selected, sieve.others, sieve.foreign) == (2, 5, 0)
    assert sieve.other_groups == {"other", "groups", "other.replay.x", ""}
    own_is_a_replays_name = Sieve(selection(groups=frozenset({"a.replay.b"})), GROUP, {})
    assert own_is_a_replays_name.passes(letter(0, group="a.replay.b"))


def test_letters_without_their_value_are_left_and_the_first_named():
    sieve = Sieve(selection(), GROUP, {})
    for at in range(LEFT_PLACES + 2):
        assert not sieve.passes(record(at, without_value(letter(at, at).headers(), b"large"), value=None))
    assert (sieve.left, sieve.selected) == (LEFT_PLACES + 2, LEFT_PLACES + 2)
    assert sieve.left_places == [f"events/3/{at}" for at in range(LEFT_PLACES)]


def test_a_tombstone_that_was_rejected_has_its_value():
    assert Sieve(selection(), GROUP, {}).passes(letter(0, value=None, reason=RejectReason.INTERNAL_ERROR))


deliveries = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["", "leads", "others"])), max_size=30)


@given(deliveries, st.integers(0, 30))
def test_each_delivery_is_sent_once_over_an_interruption(which, stopped_at):
    """A first part has sent and committed everything below an offset; the second part sends the rest, and no copies."""
    letters = [letter(at, offset, mapping=mapping) for at, (offset, mapping) in enumerate(which)]
    first = Sieve(selection(), GROUP, {})
    sent = [at for at, each in enumerate(letters[:stopped_at]) if first.passes(each)]
    second = Sieve(selection(), GROUP, {Partition(TOPIC, 0): Position(stopped_at)})
    sent += [at for at, each in enumerate(letters) if second.passes(each)]
    assert sent == [at for at, delivery in enumerate(which) if delivery not in which[:at]]
    assert first.selected + second.selected == len(which)


@given(st.integers(0, 10))
def test_source_records_below_the_commit_are_done(committed):
    source = selection(origin=Origin.SOURCE, keys=frozenset({b"key"}))
    sieve = Sieve(source, GROUP, {Partition(TOPIC, 0): Position(committed)})
    assert sum(sieve.passes(record(at)) for at in range(10)) == 10 - committed == sieve.selected
