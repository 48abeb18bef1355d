"""Import: what Segment and Terraform give becomes a mappings file that does the same, and a report of the rest."""

from __future__ import annotations

import json

import pytest

from consumer.config.importing import Found
from consumer.config.importing_build import ACTION_IDS, Kind, build
from consumer.config.mappings import parse_mappings
from consumer.config.mappings_presets import PRESETS
from consumer.errors import ConfigurationError
from consumer.outcomes import Action
from consumer.segment.filters import Drop, DropProperties, Sample

CONTACT, CUSTOMER = PRESETS["default"]
IDS = {action: each for each, action in ACTION_IDS.items()}
SECRET = "https://hooks.example/CANARY-secret"


def subscription(name: str = "Send Contact", spec=CONTACT, **more):
    return {
        "id": f"sub_{name}",
        "name": name,
        "actionId": IDS[spec.action],
        "actionSlug": spec.action.value,
        "destinationId": "dst_1",
        "enabled": True,
        "settings": spec.mapping,
        "trigger": spec.trigger,
        "modelId": "",
    } | more


def api(*subscriptions, **pagination):
    return {"data": {"subscriptions": list(subscriptions), "pagination": {"current": "MA=="} | pagination}}


DESTINATION = {
    "data": {
        "destination": {
            "id": "dst_1",
            "name": "CM",
            "enabled": True,
            "sourceId": "src",
            "settings": {"chartmogul_webhook_url": SECRET},
            "metadata": {"id": "65f9888628c310646331738a", "slug": "actions-chartmogul"},
        }
    }
}


def run(*documents, destination: str = ""):
    found = Found()
    for index, document in enumerate(documents):
        found.read(document if isinstance(document, str) else json.dumps(document), f"{index}.json")
    text, report = build(found, destination)
    assert "CANARY" not in text + "\n".join(map(str, report))
    return text, report


def by_kind(report, kind: Kind) -> dict[str, str]:
    return {line.name: line.message for line in report if line.kind is kind}


def problems(*documents, destination: str = "") -> dict[str, str]:
    with pytest.raises(ConfigurationError) as error:
        run(*documents, destination=destination)
    assert "CANARY" not in str(error.value)
    return {problem.path: problem.message for problem in error.value.problems}


def terraform(*, state: bool):
    values = {
        "segment_destination_subscription": [
            {
                "id": "s1",
                "destination_id": "dst_1",
                "name": "Send Contact",
                "enabled": True,
                "action_id": IDS[Action.SEND_CONTACT],
                "trigger": CONTACT.trigger,
                "settings": json.dumps(CONTACT.mapping),
                "model_id": None,
            },
            {
                "id": "s2",
                "destination_id": "dst_1",
                "name": "Send Customer",
                "enabled": True,
                "action_id": IDS[Action.SEND_CUSTOMER],
                "trigger": CUSTOMER.trigger,
                "settings": json.dumps(CUSTOMER.mapping | {"__segment_internal_sync_mode": "upsert"}),
            },
        ],
        "segment_destination_filter": [
            {
                "id": "f1",
                "destination_id": "dst_1",
                "source_id": "src",
                "if": "all",
                "title": "no phone",
                "enabled": True,
                "actions": [
                    {"type": "DROP_PROPERTIES", "fields": '{"traits":["phone"]}', "percent": None, "path": None},
                    {"type": "SAMPLE", "fields": None, "percent": 0.5, "path": ""},
                ],
            }
        ],
        "segment_destination": [
            {
                "id": "dst_1",
                "enabled": True,
                "source_id": "src",
                "metadata": {"id": "65f9888628c310646331738a"},
                "settings": json.dumps({"chartmogul_webhook_url": SECRET}),
            }
        ],
        "segment_source": [{"id": "src", "settings": "{}"}],
    }
    flat = [(kind, each) for kind, several in values.items() for each in several]
    if state:
        resources = [
            {"mode": "managed", "type": kind, "name": "x", "instances": [{"attributes": each}]} for kind, each in flat
        ]
        return {"version": 4, "terraform_version": "1.9.0", "resources": resources}
    resources = [{"address": f"{kind}.x", "mode": "managed", "type": kind, "values": each} for kind, each in flat]
    return {
        "format_version": "1.0",
        "values": {"root_module": {"resources": resources[:1], "child_modules": [{"resources": resources[1:]}]}},
    }


SHAPES = {
    "a page of the API": (api(subscription(), subscription("Send Customer", CUSTOMER)),),
    "two files": (api(subscription()), api(subscription("Send Customer", CUSTOMER)), DESTINATION),
    "the same twice": (api(subscription(), subscription("Send Customer", CUSTOMER)), api(subscription())),
    "one each": (
        {"data": {"subscription": subscription()}},
        {"data": {"destinationSubscription": subscription("Send Customer", CUSTOMER)}},
    ),
    "a bare list": ([subscription(), subscription("Send Customer", CUSTOMER)],),
    "by slug alone": (
        [
            subscription(actionId=""),
            {k: v for k, v in subscription("Send Customer", CUSTOMER).items() if k != "actionId"},
        ],
    ),
    "without type": (
        [
            subscription(settings={k: v for k, v in CONTACT.mapping.items() if k != "type"}),
            subscription("Send Customer", CUSTOMER),
        ],
    ),
    "terraform show": (terraform(state=False),),
    "terraform state": (terraform(state=True),),
    "a plan": (
        {"planned_values": terraform(state=False)["values"], "resource_changes": [{"type": "segment_destination"}]},
    ),
}


@pytest.mark.parametrize("documents", SHAPES.values(), ids=SHAPES)
def test_the_default_mappings_come_back_from_every_shape(documents):
    text, report = run(*documents)
    assert parse_mappings(text).specs == PRESETS["default"]
    assert list(by_kind(report, Kind.TAKEN))[:2] == ["Send Contact", "Send Customer"]
    assert by_kind(report, Kind.QUIRK) == {}


@pytest.mark.parametrize("state", [True, False])
def test_filters_of_terraform(state):
    text, report = run(terraform(state=state))
    (found,) = parse_mappings(text).filters
    assert found.actions == (DropProperties({"traits": ("phone",)}), Sample(0.5, ""))
    assert by_kind(report, Kind.TAKEN)["no phone"] == "destination filter"


def test_filters_of_the_api_come_with_what_their_actions_do_not_use():
    filters = {
        "data": {
            "filters": [
                {
                    "id": "f1",
                    "sourceId": "s",
                    "destinationId": "dst_1",
                    "if": 'type = "track"',
                    "title": "x",
                    "description": "d",
                    "enabled": True,
                    "actions": [{"type": "DROP", "fields": {}, "percent": 0, "path": ""}],
                },
                {"id": "f2", "destinationId": "dst_2", "if": "all", "title": "y", "actions": [{"type": "DROP"}]},
                {"id": "f3", "destinationId": "dst_1", "if": "bad (", "title": "z", "actions": [], "enabled": False},
            ]
        }
    }
    text, report = run(api(subscription()), filters)
    assert [each.actions for each in parse_mappings(text).filters] == [(Drop(),)]
    assert by_kind(report, Kind.LEFT_OUT) == {
        "y": "filters another destination",
        "z": "is disabled, and cannot be read",
    }


def test_a_filter_that_is_on_and_cannot_be_read_is_never_left_out():
    broken = {
        "data": {
            "filter": {"id": "f", "if": "bad (", "title": "privacy", "enabled": True, "actions": [{"type": "DROP"}]}
        }
    }
    assert list(problems(api(subscription()), broken)) == ["filter 'privacy'.if"]


INERT = {
    "another action": ({"actionId": "x", "actionSlug": "trackEvent"}, "another destination's action (trackEvent)"),
    "reverse ETL": ({"modelId": "m"}, "reverse ETL"),
    "no trigger": ({"trigger": ""}, "empty trigger"),
    "null trigger": ({"trigger": None}, "empty trigger"),
    "unreadable": ({"trigger": 'type = "a" and (event = "b" and (event = "c"))'}, "cannot read its trigger"),
    "invalid mapping": ({"settings": {"email": {"@nope": 1}}}, "refused by Segment's engine"),
    "no settings": ({"settings": None}, "no settings"),
}


@pytest.mark.parametrize(("more", "fragment"), INERT.values(), ids=INERT)
def test_what_can_never_send_is_left_out_and_said(more, fragment):
    text, report = run(api(subscription(), subscription("Inert", **more)))
    assert [spec.name for spec in parse_mappings(text).specs] == ["Send Contact"]
    assert fragment in by_kind(report, Kind.LEFT_OUT)["Inert"]


def test_what_is_off_stays_and_stays_off():
    text, report = run(api(subscription(enabled=False)))
    assert [spec.enabled for spec in parse_mappings(text).specs] == [False]
    assert list(by_kind(report, Kind.OFF)) == ["Send Contact"]


def test_a_trap_is_kept_allowed_and_explained():
    text, report = run(api(subscription(trigger='!(type = "identify")')))
    (spec,) = parse_mappings(text).specs
    assert (spec.trigger, spec.allow_hosted_quirks) == ('!(type = "identify")', True)
    assert "negation_ignored" in by_kind(report, Kind.QUIRK)["Send Contact"]
    comment = text[: text.index("- name")]
    assert 'It runs as: type = "identify"' in " ".join(comment.replace("#", "").split())


def test_keys_without_effect_are_dropped_and_said_but_for_segments_own():
    more = CONTACT.mapping | {
        "plan": {"@path": "$.traits.plan"},
        "batch_size": 5,
        "__segment_internal_sync_mode": "add",
    }
    text, report = run(api(subscription(settings=more)))
    assert parse_mappings(text).specs[0].mapping == CONTACT.mapping
    assert [line.message.split()[1] for line in report if line.kind is Kind.CHANGED] == ["plan,", "batch_size,"]


def test_a_key_that_may_fail_an_event_has_an_effect():
    failing = {"@case": {"operator": "uper", "value": {"@path": "$.traits.plan"}}}
    text, report = run(api(subscription(settings=CONTACT.mapping | {"plan": failing})))
    assert parse_mappings(text).specs[0].mapping["plan"] == failing
    assert by_kind(report, Kind.QUIRK)


def test_names_become_unique_printable_and_short():
    text, _ = run(
        api(
            subscription("A", id="1"), subscription("A", id="2"), subscription("A (2)", id="3"),
            subscription("b\nc\x1b[31m", id="4"), subscription("x" * 300, id="5"), subscription("", id="6"),
        )
    )  # fmt: skip
    names = [spec.name for spec in parse_mappings(text).specs]
    assert names == ["A", "A (2)", "A (2) (2)", "b c [31m", "x" * 100, "Send Contact"]


DOCUMENTS = {
    "plain": (api(subscription(), subscription("Send Customer", CUSTOMER)),),
    "quirky": (
        api(
            subscription("A: #1", trigger="!(type = \"identify\")\nor event = 'x'"),
            subscription("A: #1", id="2", enabled=False, settings={"title": "\u2028 \U0001f3fa yes"}),
        ),
        terraform(state=True) | {"resources": terraform(state=True)["resources"][2:3]},
    ),
}


@pytest.mark.parametrize("documents", DOCUMENTS.values(), ids=DOCUMENTS)
def test_importing_what_was_written_gives_the_same_bytes(documents):
    text, _ = run(*documents)
    assert run(*documents)[0] == text
    assert run(text)[0] == text


def test_several_destinations_want_a_choice():
    both = api(subscription(), subscription("Send Customer", CUSTOMER, destinationId="dst_2"))
    assert "dst_1 (1 mappings), dst_2 (1 mappings)" in problems(both)["--destination"]
    assert list(problems(both, destination="dst_3")) == ["--destination"]
    text, report = run(both, destination="dst_2")
    assert [spec.name for spec in parse_mappings(text).specs] == ["Send Customer"]
    assert "another ChartMogul destination" in by_kind(report, Kind.LEFT_OUT)["Send Contact"]


def test_notes():
    off = {"data": {"destination": DESTINATION["data"]["destination"] | {"enabled": False}}}
    _, report = run(api(subscription(), totalEntries=3), off)
    notes = by_kind(report, Kind.NOTE)
    assert "2 more" in notes["subscriptions"]
    assert "disabled in Segment" in notes["CM"]
    assert "webhook_url_file" in notes["destination"]


def test_a_webhook_url_within_a_mapping_is_not_written():
    hidden = api(subscription(settings=CONTACT.mapping | {"title": SECRET}))
    assert "webhook's URL" in problems(hidden, DESTINATION)["(import)"]


@pytest.mark.parametrize(
    ("text", "path", "fragment"),
    [
        ('resource "segment_destination_subscription" "a" {\n  name = "x"\n}', "0.json", "terraform show -json"),
        ('{"data": CANARY}', "0.json", "not valid JSON"),
        ('{"data": {"workspace": {}}}', "0.json", "holds no subscription"),
        (
            {"errors": [{"type": "unauthorized", "message": "CANARY"}]},
            "0.json",
            "answer of Segment's Public API (unauth",
        ),
        ({"errors": [{"type": "forbidden"}]}, "0.json", "use a Public API token of this workspace that is valid"),
        ({"errors": [{"type": "not-found"}]}, "0.json", "API (not-found); see what it says, put that right, and fetch"),
        ({"errors": [{"type": "CANARY"}]}, "0.json", "is an error answer of Segment's Public API; see"),
        ({"errors": ["CANARY"]}, "0.json", "holds no subscription"),
        ('{"data": ' + "1" * 5_000 + "}", "0.json", "more digits"),
        ("[" * 100_000, "0.json", "nested too deeply"),
        ("# CANARY\nhello", "0.json", "neither JSON"),
        ("preset: defalt", "0.json: preset", "did you mean default?"),
        (json.dumps(api(subscription(actionSlug="x", actionId="y"))), "(import)", "nothing that could send"),
        (json.dumps(DESTINATION), "(import)", "nothing that could send"),
        (json.dumps([subscription(str(index)) for index in range(51)]), "mappings", "at most 50"),
        (json.dumps([subscription(settings={"title": "\ud800"})]), "mappings[0]", "surrogate"),
    ],
)
def test_what_cannot_be_imported(text, path, fragment):
    found = problems(text)
    assert path in found
    assert fragment in found[path]
