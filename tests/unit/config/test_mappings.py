"""The mappings file: what it says, and every mistake in it with path, line and remedy."""

from __future__ import annotations

import json

import pytest

from consumer.chartmogul.compiled import DEFAULT_MAPPINGS
from consumer.chartmogul.router import Router
from consumer.config.document import MAX_BYTES
from consumer.config.mappings import MAXIMUM_MAPPINGS, load_mappings, parse_mappings
from consumer.config.mappings_presets import PRESETS
from consumer.errors import ConfigurationError
from consumer.outcomes import Action, Post
from consumer.segment.filters import Drop, Filter

IDS = """\
      message_id: {"@path": "$.messageId"}
      timestamp: {"@path": "$.timestamp"}
      sent_at: {"@path": "$.sentAt"}
      user_id: {"@path": "$.userId"}
"""
GOOD = f"""\
mappings:
  - name: People
    action: sendContact
    trigger: type = "identify"
    mapping:
{IDS}      email: {{"@path": "$.traits.email"}}
"""


def problems(text: str) -> dict[str, tuple[int | None, str]]:
    """Line and message of each mistake, by path; the last one where a path has several."""
    with pytest.raises(ConfigurationError) as error:
        parse_mappings(text)
    return {problem.path: (problem.line, problem.message) for problem in error.value.problems}


def test_no_file_is_the_hosted_defaults():
    file = load_mappings(None)
    assert (file.specs, file.source, file.filters, file.consent_categories) == (
        DEFAULT_MAPPINGS,
        "default",
        (),
        frozenset(),
    )


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_can_be_named_instead_of_written(name, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"preset: {name}\n")
    file = load_mappings(path)
    assert file.specs == PRESETS[name]
    assert file.source == "mine.yaml"
    assert {spec.action for spec in file.specs} == set(Action)


def test_everything_that_a_file_can_say():
    file = parse_mappings(
        GOOD
        + """\
    enabled: false
filters:
  - {if: 'type = "track"', title: no tracks, actions: [{type: DROP}], id: f1, sourceId: s}
consent_categories: [cat_1]
"""
    )
    (spec,) = file.specs
    assert (spec.name, spec.action, spec.trigger, spec.enabled, spec.allow_hosted_quirks) == (
        "People",
        Action.SEND_CONTACT,
        'type = "identify"',
        False,
        False,
    )
    assert file.filters == (Filter('type = "track"', (Drop(),), enabled=True, title="no tracks"),)
    assert file.consent_categories == {"cat_1"}
    assert file.quirks == ()


def test_the_type_is_added_where_it_is_absent():
    (spec,) = parse_mappings(GOOD).specs
    assert spec.mapping["type"] == "Send Contact"
    assert next(iter(spec.mapping)) == "type"


def test_a_mapping_can_start_from_a_preset_and_take_fields_away():
    (spec,) = parse_mappings(
        """\
mappings:
  - name: Accounts
    action: sendCustomer
    preset: segment-spec
    mapping: {email: null, description: {"@path": "$.traits.plan"}}
"""
    ).specs
    preset = next(each for each in PRESETS["segment-spec"] if each.action is Action.SEND_CUSTOMER)
    assert spec.trigger == preset.trigger
    assert spec.mapping == {
        key: {"@path": "$.traits.plan"} if key == "description" else node
        for key, node in preset.mapping.items()
        if key != "email"
    }


def test_json_with_tabs_and_surrogate_pairs_is_read_as_json():
    data = {
        "$schema": "x",
        "preset": "default",
        "filters": [{"if": 'traits.a = "\U0001f3fa"', "actions": [{"type": "DROP"}]}],
    }
    file = parse_mappings(json.dumps(data, indent="\t"))
    assert file.filters[0].condition == 'traits.a = "\U0001f3fa"'
    found = problems(json.dumps({"mappings": [{"nam": 1}]}, indent="\t"))
    assert found["mappings[0].nam"] == (4, "is not known here; did you mean name?")


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_bytes(b"\xef\xbb\xbfpreset: default\n")
    assert load_mappings(path).specs == DEFAULT_MAPPINGS


def test_every_mistake_is_named_at_once_with_its_line():
    found = problems(
        """\
mappngs: 1
mappings:
  - name: A
    action: sendContcat
    trigger: '!(type = "identify")'
    mapping: {}
  - name: A
    action: sendContact
    trigger: type = "identify"
    enabled: "yes"
    mapping:
      emial: {"@path": $.traits.email}
      email: $.traits.email
      phone: "{{traits.phone}}"
      linked_in: linkedin.example/x
      company: {id: {"@path": $.traits.company.id}, domain: {"@path": $.y}}
      title: {"@pth": $.x}
  - just text
  - name: C
    action: sendCustomer
    trigger: type = "group" and (traits.a = "b" and (traits.c = "d"))
    mapping:
      name: {"@case": {operator: uper, value: {"@path": $.traits.name}}}
      address: somewhere
filters:
  - {if: type =, actions: [{type: DROPP}]}
consent_categories: x
"""
    )
    lines = {path: line for path, (line, _) in found.items()}
    assert lines == {
        "mappngs": 1,
        "mappings[0].action": 4,
        "mappings[0].trigger": 5,
        "mappings[1].name": 7,
        "mappings[1].enabled": 10,
        "mappings[1].mapping": 12,
        "mappings[1].mapping.emial": 12,
        "mappings[1].mapping.email": 13,
        "mappings[1].mapping.phone": 14,
        "mappings[1].mapping.linked_in": 15,
        "mappings[1].mapping.company.domain": 16,
        "mappings[1].mapping.title": 17,
        "mappings[2]": 18,
        "mappings[3].trigger": 21,
        "mappings[3].mapping.name.@case": 23,
        "mappings[3].mapping": 23,
        "mappings[3].mapping.address": 24,
        "filters[0].if": 26,
        "filters[0].actions[0].type": 26,
        "consent_categories": 27,
    }
    said = {path: message for path, (_, message) in found.items()}
    assert "did you mean mappings?" in said["mappngs"]
    assert "did you mean sendContact?" in said["mappings[0].action"]
    assert "negation_ignored" in said["mappings[0].trigger"]
    assert 'It runs as: type = "identify"' in said["mappings[0].trigger"]
    assert "did you mean email?" in said["mappings[1].mapping.emial"]
    assert '{"@path": "$.traits.email"}' in said["mappings[1].mapping.email"]
    assert "@template" in said["mappings[1].mapping.phone"]
    assert "URI" in said["mappings[1].mapping.linked_in"]
    assert "there are id, name" in said["mappings[1].mapping.company.domain"]
    assert "never fires" in said["mappings[3].trigger"]
    for field in ("message_id", "timestamp", "sent_at", "user_id", "group_id"):
        assert field in said["mappings[3].mapping"]


@pytest.mark.parametrize(
    ("text", "path", "fragment"),
    [
        ("", "(file)", "preset: default"),
        ("[]", "(file)", "must be an object"),
        ("filters: []", "(file)", "says no mappings"),
        ("mappings: []", "mappings", "at least one"),
        ("preset: segment_spec", "preset", "did you mean segment-spec?"),
        ("preset: default\nmappings: []", "preset", "stands beside mappings"),
        ("preset: default\nfilters: {}", "filters", "must be a list"),
        ("preset: default\npreset: default", "preset", "stands twice"),
        ("preset: [", "(file)", "YAML"),
        ("{", "(file)", "YAML"),
        ("preset: default\nconsent_categories: ['']", "consent_categories", "list of category ids"),
        ("mappings: [{name: a, action: sendContact, preset: defalt}]", "mappings[0].preset", "did you mean default?"),
        ('mappings: [{name: "a\\nb", action: sendContact, preset: default}]', "mappings[0].name", "one line"),
        ("mappings: [{name: 2, action: sendContact, preset: default}]", "mappings[0].name", "must be text"),
        ("mappings: [{name: a, action: sendContact, trigger: 1, preset: default}]", "mappings[0].trigger", "text"),
        (
            "mappings: [{name: a, action: sendContact, trigger: '', preset: default}]",
            "mappings[0].trigger",
            "not empty",
        ),
        ("mappings: [{name: a, action: sendContact, mapping: [], preset: default}]", "mappings[0].mapping", "object"),
        (
            "mappings: [{name: a, action: sendContact, preset: default, mapping: {user_id: null, anonymous_id: null}}]",
            "mappings[0].mapping",
            "lacks user_id and anonymous_id",
        ),
        (
            "mappings: [{name: a, action: sendContact, preset: default, mapping: {message_id: ''}}]",
            "mappings[0].mapping",
            "lacks message_id",
        ),
    ],
)
def test_a_mistake(text, path, fragment):
    found = problems(text)
    assert list(found) == [path]
    assert fragment in found[path][1]


def test_no_value_that_could_be_a_secret_is_repeated():
    for text in ("https://hooks.example/CANARY: 1\npreset: default", "preset: https://hooks.example/CANARY"):
        assert "CANARY" not in str(problems(text))


def many(number: int) -> str:
    return json.dumps(
        {"mappings": [{"name": f"m{index}", "action": "sendContact", "preset": "default"} for index in range(number)]}
    )


def test_fifty_mappings_and_no_more():
    assert len(parse_mappings(many(MAXIMUM_MAPPINGS)).specs) == MAXIMUM_MAPPINGS
    found = problems(many(MAXIMUM_MAPPINGS + 1))
    assert list(found) == ["mappings"]
    assert "at most 50" in found["mappings"][1]


def test_ten_filters_and_no_more():
    text = "preset: default\nfilters:\n" + "  - {if: all, actions: [{type: DROP}]}\n"
    assert len(parse_mappings(text + text.splitlines()[2].__add__("\n") * 9).filters) == 10
    assert "at most 10" in problems(text + "  - {if: all, actions: [{type: DROP}]}\n" * 10)["filters"][1]


QUIRKS = {
    "a trap": ('type = "identify" and groupId != null', ""),
    "an unknown field": ('type = "identify"', '      plan: {"@path": "$.traits.plan"}\n'),
    "a path as text": ('type = "identify"', "      title: $.traits.title\n"),
    "a directive that always fails": ('type = "identify"', '      title: {"@case": {operator: up, value: x}}\n'),
}


@pytest.mark.parametrize(("trigger", "field"), QUIRKS.values(), ids=QUIRKS)
def test_a_quirk_is_an_error_unless_it_is_allowed(trigger, field):
    entry = f"mappings:\n  - name: A\n    action: sendContact\n    trigger: '{trigger}'\n"
    text = f"{entry}    mapping:\n{IDS}{field}"
    (message,) = [message for _, message in problems(text).values()]
    assert message.endswith("allow_hosted_quirks: true lets it pass.")
    file = parse_mappings(text + "    allow_hosted_quirks: true\n")
    assert file.specs[0].allow_hosted_quirks
    assert len(file.quirks) == 1
    assert file.quirks[0].line is not None


def test_a_missing_required_field_can_be_allowed_as_well():
    text = "mappings: [{name: A, action: sendContact, trigger: 'type = \"identify\"', mapping: {}, allow_hosted_quirks: true}]"
    assert [quirk.path for quirk in parse_mappings(text).quirks] == ["mappings[0].mapping"] * 2


def test_fields_are_not_asked_for_where_a_directive_makes_the_whole():
    text = 'mappings: [{name: A, action: sendContact, trigger: \'type = "identify"\', mapping: {"@merge": {objects: [{}], direction: left}}}]'
    assert parse_mappings(text).specs[0].mapping == {"@merge": {"objects": [{}], "direction": "left"}}


@pytest.mark.parametrize("content", [b"\xff", b"x" * (MAX_BYTES + 1), None])
def test_a_file_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "m.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as error:
        load_mappings(path)
    assert [problem.path for problem in error.value.problems] == ["(file)"]


# ---- the preset segment-spec

EVENT = {"messageId": "m1", "timestamp": "2026-01-01T00:00:00Z", "sentAt": "2026-01-01T00:00:00Z", "userId": "u1"}
CONTACT = EVENT | {"type": "identify"}
CUSTOMER = EVENT | {"type": "group", "groupId": "g1"}


def payload(preset: str, event: dict) -> dict:
    (planned,) = Router(PRESETS[preset]).route(event)
    assert isinstance(planned, Post)
    return json.loads(planned.body)


SPELLINGS = [
    (CONTACT, {"traits": {"firstName": "Ada"}}, {"first_name": "Ada"}),
    (CONTACT, {"traits": {"first_name": "Ada", "firstName": "Eve"}}, {"first_name": "Ada"}),
    (CONTACT, {"traits": {"first_name": "", "firstName": "Ada"}}, {"first_name": "Ada"}),
    (CONTACT, {"traits": {"first_name": None, "firstName": "Ada"}}, {"first_name": "Ada"}),
    (CONTACT, {"traits": {"lastName": "Hart"}}, {"last_name": "Hart"}),
    (CONTACT, {"traits": {"linked_in": "https://x.example/a"}}, {"linked_in": "https://x.example/a"}),
    (CONTACT, {"traits": {"linkedin": "https://x.example/a"}}, {"linked_in": "https://x.example/a"}),
    (CONTACT, {"traits": {"company": {"id": 7, "name": "N"}}}, {"company": {"id": "7", "name": "N"}}),
    (CONTACT, {"traits": {"companyId": "c", "companyName": "N"}}, {"company": {"id": "c", "name": "N"}}),
    (CONTACT, {"traits": {"company_id": "c", "company_name": "N"}}, {"company": {"id": "c", "name": "N"}}),
    (CONTACT, {"traits": {"name": "A"}, "context": {"groupId": "c"}}, {"name": "A", "company": {"id": "c"}}),
    (CUSTOMER, {"traits": {"created_at": "2025-01-01"}}, {"created_at": "2025-01-01", "address": {}}),
    (CUSTOMER, {"traits": {"createdAt": "2025-01-01"}}, {"created_at": "2025-01-01", "address": {}}),
    (CUSTOMER, {"traits": {"address": {"postal_code": 97205}}}, {"address": {"postal_code": "97205"}}),
    (
        CUSTOMER,
        {"traits": {"address": {"postalCode": "9", "city": "P"}}},
        {"address": {"city": "P", "postal_code": "9"}},
    ),
]


@pytest.mark.parametrize(("base", "more", "expected"), SPELLINGS)
def test_segment_spec_reads_the_other_spellings(base, more, expected):
    sent = payload("segment-spec", base | more)
    ids = {"type", "message_id", "timestamp", "sent_at", "user_id", "group_id"}
    assert {key: value for key, value in sent.items() if key not in ids} == expected


@pytest.mark.parametrize(
    "event",
    [
        CONTACT
        | {"traits": {"first_name": "Ada", "last_name": "Hart", "email": "a@b.example", "company": {"id": "c"}}},
        CUSTOMER | {"traits": {"name": "N", "createdAt": 1, "address": {"postalCode": "9", "street": "S"}}},
    ],
)
def test_what_the_defaults_read_segment_spec_reads_alike(event):
    assert payload("segment-spec", event) == payload("default", event)


def test_the_presets_have_no_quirks():
    for name in PRESETS:
        entries = "".join(f"  - {{name: {action}, action: {action}, preset: {name}}}\n" for action in Action)
        assert parse_mappings(f"mappings:\n{entries}").quirks == ()


@pytest.mark.parametrize(
    "text",
    [
        '{"data": {"subscriptions": [{"name": "A", "actionSlug": "sendContact"}]}}',
        '[{"id": "s", "actionId": "x", "trigger": "all"}]',
        '{"version": 4, "terraform_version": "1.9", "resources": []}',
    ],
)
def test_what_is_to_be_imported_is_said_to_be(text):
    [(path, (_, message))] = problems(text).items()
    assert path == "(file)"
    assert message.endswith("make a mappings file of it: chartmogul-consumer import FILE -o mappings.yaml")


ENTRY = (
    "mappings: [{{name: A, action: sendContact, preset: default, allow_hosted_quirks: {}, trigger: '{}', mapping: {}}}]"
)


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ('type = "Identify"', 'compares type with "Identify", as no event has it: those that come here are identify,'),
        ('type != "Group"', "did you mean group?"),
        ('type = "identify" or type = "identity"', "did you mean identify?"),
        ('type = "screen" and event = "x"', 'compares type with "screen"'),
        ('type = "identify" and type = "group"', "fires for no event, for its conditions on type exclude each other"),
    ],
)
def test_a_type_that_no_event_has_is_an_error_unless_it_is_allowed(trigger, said):
    [(path, (_, message))] = problems(ENTRY.format("false", trigger, "{}")).items()
    assert path == "mappings[0].trigger"
    assert said in message
    assert message.endswith("allow_hosted_quirks: true lets it pass.")
    assert len(parse_mappings(ENTRY.format("true", trigger, "{}")).quirks) == 1


@pytest.mark.parametrize("trigger", ['type != ""', 'type = "alias"', 'event = "Identify"', 'type != "delete"'])
def test_other_types_are_none(trigger):
    assert parse_mappings(ENTRY.format("false", trigger, "{}")).quirks == ()


def test_paths_that_are_read_otherwise_are_errors_unless_they_are_allowed():
    mapping = (
        '{title: {"@path": "$.a[0"}, phone: {"@if": {exists: {"@path": "$..b"}, then: {"@literal": {"@path": "$..c"}}}},'
        ' twitter: {"@arrayPath": ["$.list.", {x: {"@path": "$.y"}}]}}'
    )
    found = problems(ENTRY.format("false", 'type = "identify"', mapping))
    assert sorted(found) == [
        "mappings[0].mapping.phone.@if.exists.@path",
        "mappings[0].mapping.title.@path",
        "mappings[0].mapping.twitter.@arrayPath",
    ]
    assert "it looks up a → 0." in found["mappings[0].mapping.title.@path"][1]
    assert len(parse_mappings(ENTRY.format("true", 'type = "identify"', mapping)).quirks) == 3
