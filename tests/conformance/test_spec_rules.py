"""What the rules for specs catch, and what they let pass."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from airbyte_exec.conformance import Subject, load_cases
from airbyte_exec.conformance.checks import Check, Given, NotApplicableError, spec
from airbyte_exec.conformance.checks.compatibility import lost
from airbyte_exec.conformance.checks.drawn import text_of
from airbyte_exec.conformance.transcript import Transcript
from airbyte_exec.executors import NoOpExecutor

RUN = Transcript(command="spec", exit_code=0)


def fields(**properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def judged(check: Check, schema: object, previous: object = None) -> list[str]:
    """Return what a check finds in a connectionSpecification, beside that of the version before."""
    said = {} if previous is None else {"spec": {"connectionSpecification": previous}}
    subject = Subject(executor=NoOpExecutor("source-x"), kind="source", previous=said)
    given = Given(case=load_cases()[0], subject=subject, spec={"connectionSpecification": schema}, runs=[RUN])
    return [finding.message for finding in check(given)]


@pytest.mark.parametrize(
    "name",
    [
        *("client_token", "key", "service_account", "service_account_info", "tenant_id", "certificate", "credentials"),
        *("app_id", "appid", "apiKey", "api-key", "accessToken", "clientSecret", "APIKey", "api_secret", "passphrase"),
        *("user_password", "bearer_token", "personal_access_token", "ssh_private_key", "Password"),
    ],
)
def test_a_secret_is_known_by_its_name_in_any_spelling(name: str) -> None:
    assert judged(spec.secrets, fields(**{name: {"type": "string"}})) == [
        f"{name} is a secret by its name, and has no airbyte_secret: true"
    ]
    assert judged(spec.secrets, fields(**{name: {"type": ["string", "null"], "airbyte_secret": True}})) == []
    assert judged(spec.secrets, fields(**{name: {"type": "object"}})) == []
    assert judged(spec.secrets, fields(**{name: {"type": "string", "const": "x"}})) == []


@pytest.mark.parametrize(
    "name",
    [
        *("next_page_token", "pageToken", "continuation-token", "token_uri", "max_tokens", "primary_key", "keyword"),
        *("secretary", "password_policy", "cursor_key", "client_id", "access_key_id", "monkey"),
    ],
)
def test_a_name_that_only_looks_like_a_secret_is_none(name: str) -> None:
    assert judged(spec.secrets, fields(**{name: {"type": "string"}})) == []


@pytest.mark.parametrize("kind", ["null", "boolean", "object", ["boolean", "null"]])
def test_only_texts_and_numbers_can_be_marked_as_secrets(kind: object) -> None:
    (message,) = judged(spec.secrets, fields(x={"type": kind, "airbyte_secret": True}))
    assert message.endswith("which no airbyte_secret can hide")


def branch(name: str, **more: object) -> dict[str, Any]:
    own = {"kind": {"type": "string", "const": name}, name: {"type": "string"}, **more}
    return {"title": name, "required": ["kind", name], **fields(**own)}


def login(*branches: object) -> dict[str, Any]:
    return fields(credentials={"type": "object", "oneOf": list(branches)})


A, B, C = (branch(name) for name in "abc")


@pytest.mark.parametrize("new", [login(C, A, B), login(B, A), login(A, B, C)])
def test_branches_may_stand_in_another_order_and_new_ones_anywhere(new: object) -> None:
    assert judged(spec.compatible, new, login(A, B)) == []


def test_a_branch_is_known_by_its_constant_wherever_it_stands() -> None:
    assert judged(spec.compatible, login(B), login(A, B)) == ['credentials.oneOf[0]: it is gone (kind "a")']
    changed = branch("a", a={"type": "integer"})
    (message,) = judged(spec.compatible, login(B, changed), login(A, B))
    assert message == "credentials.oneOf[0].a: its type was string and is integer"


DATE = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
COUNT = {"type": "integer", "minimum": 1, "maximum": 100}


def test_a_bound_that_is_narrower_is_seen_beside_a_field_that_has_a_pattern() -> None:
    old = {**fields(day=DATE, n=COUNT), "required": ["day", "n"]}
    assert judged(spec.compatible, {**fields(day=DATE, n=COUNT | {"maximum": 10}), "required": ["day", "n"]}, old) == [
        "n: its maximum was 100 and is 10"
    ]
    assert judged(spec.compatible, {**fields(day=DATE, n=COUNT | {"maximum": 1000}), "required": ["day"]}, old) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (DATE, DATE | {"pattern": "^20[0-9]{2}-[0-9]{2}-[0-9]{2}$"}),
        ({"type": "string"}, {"type": "string", "maxLength": 10}),
        ({"type": "string"}, {"type": "string", "minLength": 10}),
        ({"type": "string"}, {"type": "string", "pattern": "^[a-z ]+$"}),
        ({"type": "string"}, {"type": "string", "const": "a text"}),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "exclusiveMinimum": 5}),
        ({"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "string"}, "maxItems": 1}),
    ],
)
def test_a_value_that_fitted_and_does_not_fit_any_more_is_found(old: object, new: object) -> None:
    before, after = fields(day=DATE, x=old), fields(day=DATE, x=new)
    assert judged(spec.compatible, {**after, "required": ["day"]}, {**before, "required": ["day"]}) != []
    assert judged(spec.compatible, {**before, "required": ["day"]}, {**before, "required": ["day"]}) == []


def test_where_no_config_can_be_drawn_the_rule_is_skipped() -> None:
    nothing = {**fields(x={"type": "string", "pattern": "^(?=b)a$"}), "required": ["x"]}
    with pytest.raises(NotApplicableError, match="no config could be drawn"):
        judged(spec.compatible, nothing, nothing)


@pytest.mark.parametrize(
    "pattern",
    [
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$",
        r"^https?://[\w.-]+(:\d+)?/.*$",
        r"^([^:]{1,5}):(?P<kind>a|bc|\s+)=\1$",
        r"^[^\d\s]+[\W]$",
        "^(act_)?[^@ ]+@[^@ ]+$",
    ],
)
def test_a_text_that_is_drawn_for_a_pattern_is_like_it(pattern: str) -> None:
    dice = random.Random(0)
    drawn = [text_of(pattern, dice) for _ in range(50)]
    assert all(re.search(pattern, text) for text in drawn)
    assert len(set(drawn)) > 1


def oauth(*ways: str, key: tuple[str, ...] = ("login", "kind")) -> dict[str, Any]:
    """Return a spec whose OAuth is the way `oauth`."""
    branches = [fields(kind={"type": "string", "const": way}) for way in ways]
    auth = {"auth_flow_type": "oauth2.0", "predicate_key": [*key], "predicate_value": "oauth"}
    return {"connectionSpecification": fields(login={"type": "object", "oneOf": branches}), "advanced_auth": auth}


def judged_oauth(said: dict[str, Any], *, is_exempt: bool = False) -> list[str]:
    subject = Subject(executor=NoOpExecutor("source-x"), kind="source", oauth_is_exempt=is_exempt)
    return [each.message for each in spec.oauth(Given(case=load_cases()[0], subject=subject, spec=said, runs=[RUN]))]


def test_oauth_is_the_first_way_to_log_in_unless_its_author_says_that_it_need_not_be() -> None:
    assert judged_oauth(oauth("oauth", "key")) == []
    assert judged_oauth(oauth("key", "oauth")) == ["OAuth (oauth) is not the first way to log in of login: that is key"]
    assert judged_oauth(oauth("key", "oauth"), is_exempt=True) == []
    assert judged_oauth(oauth("key", "oauth", key=("login", "gone")), is_exempt=True) == [
        "advanced_auth names login.gone, which the spec does not have"
    ], "a path that leads nowhere is none that an exemption is for"


def test_a_first_way_without_the_constant_of_oauth_is_not_oauth() -> None:
    said = oauth("key", "oauth")
    del said["connectionSpecification"]["properties"]["login"]["oneOf"][0]["properties"]["kind"]
    assert judged_oauth(said) == [
        "OAuth (oauth) is not the first way to log in of login: that is one without a constant"
    ]


def test_where_there_is_one_way_to_log_in_it_is_the_first_one() -> None:
    said = oauth("oauth")
    said["connectionSpecification"] = fields(login=fields(kind={"type": "string"}))
    assert judged_oauth(said) == []


def types(*names: str, word: str = "anyOf") -> dict[str, Any]:
    return fields(x={word: [{"type": name} for name in names]})


def test_what_a_stream_lost_is_seen_in_branches_whose_order_says_nothing() -> None:
    assert list(lost(types("string", "null"), types("null", "string"))) == []
    assert list(lost(types("string"), types("string", "null", word="oneOf"))) == []
    assert list(lost(types("string", "null"), types("integer", "null"))) == [
        "x: its type was null/string and is integer/null"
    ]
    old, new = fields(x={"oneOf": [A, B]}), fields(x={"anyOf": [branch("c"), B]})
    assert list(lost(old, new)) == ["x.a: it is gone"]
    nested = fields(x={"type": "array", "items": {"anyOf": [{"type": "string"}]}})
    assert list(lost(nested, fields(x={"type": "array", "items": {"type": "integer"}}))) == [
        "x.items: its type was string and is integer"
    ]


@pytest.mark.parametrize("pattern", ["^[a-z0-9-]+$", r"^\S+$", "^[0-9]+$", ".*"])
def test_a_pattern_of_names_is_none_of_dates(pattern: str) -> None:
    assert judged(spec.date_patterns, fields(x={"type": "string", "pattern": pattern})) == []


@pytest.mark.parametrize("rest", ["", "T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", r"T\d\d:\d\d:\d\d", r"T\d\d:\d\d:\d\d\.\d{3}Z"])
def test_a_pattern_of_dates_needs_a_format(rest: str) -> None:
    (message,) = judged(
        spec.date_patterns, fields(x={"type": "string", "pattern": f"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{rest}$"})
    )
    assert message == "x: a pattern of dates without a format"


@pytest.mark.parametrize("values", [[1, 1.0], ["a", "b", "a"], [None, None]])
def test_a_value_twice_in_an_enum_is_found_however_it_is_written(values: list[object]) -> None:
    assert len(judged(spec.enum_unique, fields(x={"enum": values}))) == 1


def test_values_that_only_python_takes_for_equal_are_two() -> None:
    assert judged(spec.enum_unique, fields(x={"enum": [1, True, 0, False]})) == []
    known = {"kind": {"const": 1, "default": True}}
    assert len(judged(spec.one_of, {"type": "object", "oneOf": [fields(**known), fields(kind={"const": 2})]})) == 1


def test_a_type_of_null_alone_is_none() -> None:
    assert len(judged(spec.type_list, fields(x={"type": ["null"]}))) == 1
    assert judged(spec.type_list, fields(x={"type": ["string"]}, y={"type": ["string", "null"]})) == []


def test_nothing_but_texts_and_numbers_is_marked_wherever_it_stands() -> None:
    marked: dict[str, Any] = {"type": "object", "airbyte_secret": True, "properties": {"a": {"type": "string"}}}
    assert len(judged(spec.secrets, marked)) == 1
    assert len(judged(spec.secrets, fields(x={"type": "object", "oneOf": [marked]}))) == 1
    assert len(judged(spec.secrets, fields(x={"type": "array", "items": marked}))) == 1
    assert judged(spec.secrets, fields(x={"type": "array", "items": {"type": "string", "airbyte_secret": True}})) == []
