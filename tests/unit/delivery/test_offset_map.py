"""The map in the commit's metadata: what is written is read back, and nothing else is believed."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.offset_map import MAX_CHARS, Restored, decode, encode, start_metadata, start_of


@st.composite
def maps(draw):
    base = draw(st.integers(0, 2**60))
    runs, at = [], base
    for opened, done in draw(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 3000)), max_size=60)):
        runs.append((at + opened, at + opened + done))
        at += opened + done
    return base, tuple(runs)


@given(maps(), st.integers(0, 10**6), st.integers(0, 2**45))
def test_what_is_written_is_read_back(case, elapsed, started):
    base, runs = case
    text = encode(base, runs, elapsed_seconds=elapsed, started_at_ms=started)
    assert decode(base, text) == Restored(runs, elapsed, started)
    assert text.isascii()


@given(st.text(max_size=80))
def test_foreign_metadata_is_ignored(text):
    restored = decode(7, text)
    assert not restored.runs
    assert restored.ignored or not text


@given(maps(), st.data())
def test_a_damaged_map_is_not_believed(case, data):
    base, runs = case
    text = encode(base, runs, elapsed_seconds=1)
    at = data.draw(st.integers(6, len(text) - 1))
    other = data.draw(st.sampled_from([c for c in "AZaz09_-!" if c != text[at]]))
    damaged = decode(base, text[:at] + other + text[at + 1 :])
    # The last character may hold padding bits that no one reads; everything else is under the checksum.
    assert damaged.ignored == "corrupt" or damaged == decode(base, text)


def test_a_newer_version_is_ignored_by_name():
    text = encode(0, [(1, 2)])
    assert decode(0, text.replace("scc1", "scc2")).ignored == "newer"
    assert decode(0, text[:4] + "z" + text[5:]).ignored == "newer"


def test_nothing_to_say_is_the_empty_string():
    assert encode(5, ()) == ""
    assert decode(5, "") == Restored()


def test_one_stuck_record_and_two_million_done_are_a_few_bytes():
    assert len(encode(10, [(11, 2_000_000)])) < 20


def test_scattered_holes_fit():
    holes = [(2 * i + 1, 2 * i + 2) for i in range(8000)]
    assert len(encode(0, holes)) < 2800
    wide = [(40 * i + 1, 40 * i + 40) for i in range(700)]
    assert len(encode(0, wide)) < 2000 < MAX_CHARS


def test_a_span_beyond_the_limit_is_refused():
    assert decode(0, encode(0, [(1, 2**21 + 5)])).ignored == "corrupt"


def test_the_starting_point_travels():
    assert start_of(start_metadata(1_700_000_000_000)) == 1_700_000_000_000
    assert start_of("") is None
    assert start_of("somebody else's") is None
