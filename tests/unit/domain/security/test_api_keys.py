"""Only the token of a key authenticates; a rate limit is never exceeded."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.api_keys_json import decode_keys, encode_keys
from domain.errors import InvalidData, Misconfigured, NotFound
from domain.security.api_keys import ApiKey, KeyRing, NewApiKey, Scope, TokenBucket, create_api_key

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENTROPY = st.binary(min_size=54, max_size=54)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,63}", fullmatch=True)
SCOPES = st.frozensets(st.sampled_from(Scope), min_size=1)


def created(entropy: bytes = bytes(54), name: str = "shop", **more: Any) -> NewApiKey:
    return create_api_key(name, [Scope.PREDICT], entropy, NOW, **more)


@st.composite
def keys(draw: st.DrawFn) -> ApiKey:
    rate = draw(st.none() | st.floats(0.001, 1e6))
    life = draw(st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=9_000)))
    expires = None if life is None else NOW + life
    made = create_api_key(
        draw(NAMES), draw(SCOPES), draw(ENTROPY), NOW, expires_at=expires, rate=rate
    )
    return made.key


@given(ENTROPY, ENTROPY)
def test_a_token_authenticates_its_own_key_only(one: bytes, other: bytes) -> None:
    first, second = created(one), created(other[::-1], "other")
    if first.key.id == second.key.id:
        return
    ring = KeyRing((first.key, second.key))
    assert ring.verified(first.token.encode()) is first.key
    assert ring.verified(second.token.encode()) is second.key
    assert KeyRing((second.key,)).verified(first.token.encode()) is None


@given(ENTROPY, st.integers(0, 58), st.binary(min_size=1, max_size=3))
def test_a_token_with_any_changed_byte_is_invalid(entropy: bytes, place: int, put: bytes) -> None:
    made = created(entropy)
    token = made.token.encode()
    changed = token[:place] + put + token[place + len(put) :]
    verified = KeyRing((made.key,)).verified(changed)
    assert (verified is made.key) == (changed == token)


@given(st.binary(max_size=80))
def test_other_bytes_are_invalid_tokens(token: bytes) -> None:
    assert KeyRing((created().key,)).verified(token) is None


def test_a_token_with_the_same_id_and_another_secret_is_invalid() -> None:
    made, other = created(bytes(54)), created(bytes(53) + b"\1")
    assert made.key.id == other.key.id
    assert KeyRing((made.key,)).verified(other.token.encode()) is None


def test_the_secret_is_neither_stored_nor_shown() -> None:
    made = created(bytes(range(54)))
    secret = made.token.rpartition("_")[2]
    assert secret not in repr(made)
    assert secret.encode() not in encode_keys(KeyRing((made.key,)))
    assert repr(made.key.digest) not in repr(made.key)


@given(st.lists(keys(), max_size=5, unique_by=(lambda key: key.id, lambda key: key.name)))
def test_a_json_round_trip_keeps_all_keys(ring: list[ApiKey]) -> None:
    there = KeyRing(tuple(ring))
    assert decode_keys(encode_keys(there), "here") == there


def test_admin_permits_every_scope_and_the_others_their_own() -> None:
    admin = create_api_key("a", [Scope.ADMIN], bytes(54), NOW).key
    assert all(map(admin.allows, Scope))
    predict = created().key
    assert [scope for scope in Scope if predict.allows(scope)] == [Scope.PREDICT]


def test_a_key_expires_at_its_time() -> None:
    key = created(expires_at=NOW + timedelta(hours=1)).key
    assert not key.expired(NOW + timedelta(minutes=59))
    assert key.expired(NOW + timedelta(hours=1))
    assert not created().key.expired(NOW + timedelta(days=9_999))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "x"}, "12 digits"),
        ({"name": ""}, "is not a name of a key"),
        ({"name": "a\n"}, "is not a name of a key"),
        ({"scopes": frozenset()}, "has no scope; allowed: predict, metrics, admin"),
        ({"salt": b""}, "incomplete salt"),
        ({"digest": b"1"}, "incomplete salt"),
        ({"rate": 0.0}, "above 0"),
        ({"rate": float("nan")}, "above 0"),
        ({"rate": float("inf")}, "above 0"),
        ({"created_at": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 - that is the fault
    ],
)
def test_an_invalid_key_is_rejected(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        replace(created().key, **change)


def test_a_new_key_must_not_be_expired_and_needs_all_random_bytes() -> None:
    with pytest.raises(InvalidData, match="already be expired"):
        created(expires_at=NOW)
    with pytest.raises(InvalidData, match="random bytes"):
        created(bytes(53))


def test_a_ring_adds_keys_and_removes_them_by_name_or_id() -> None:
    one, two = created(bytes(54), "one").key, created(b"\1" * 54, "two").key
    ring = KeyRing().adding(one).adding(two)
    assert ring.without("one").keys == ring.without(one.id).keys == (two,)
    with pytest.raises(NotFound, match="no key 'three'; there is: one, two"):
        ring.without("three")
    with pytest.raises(InvalidData, match="already"):
        ring.adding(replace(two, id="0123456789ab"))
    with pytest.raises(InvalidData, match="same id"):
        ring.adding(replace(two, name="three"))


ODD: list[Any] = [{}, [7], "ß"]
ENTRY: dict[str, Any] = json.loads(encode_keys(KeyRing((created().key,))))["keys"][0]


@pytest.mark.parametrize(
    "mapping",
    [
        None,
        [],
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": [], "more": 1},
        {"keys": [None]},
        {"keys": [{}]},
        {"keys": [{**ENTRY, "more": 1}]},
        {"keys": [ENTRY, ENTRY]},
        *({"keys": [{**ENTRY, name: value}]} for name in ENTRY for value in ODD),
        *({"keys": [{**ENTRY, name: None}]} for name in set(ENTRY) - {"rate", "expires_at"}),
        {"keys": [{**ENTRY, "rate": True}]},
        {"keys": [{**ENTRY, "scopes": ["predict", "all"]}]},
        {"keys": [{**ENTRY, "created_at": "2026-01-01"}]},
    ],
)
def test_an_invalid_key_file_is_rejected_and_named(mapping: object) -> None:
    with pytest.raises(Misconfigured, match=r"^keys\.json: "):
        decode_keys(json.dumps(mapping).encode(), "keys.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rate": "secret"}, "keys.json: keys.1.rate: expected a number"),
        ({"scopes": ["secret"]}, "keys.1.scopes.1: is not one of 'predict', 'metrics', 'admin'"),
        ({"salt": "secret"}, "keys.json: keys.1.salt: "),
        ({"created_at": "secret"}, "keys.json: keys.1.created_at: expected a time"),
        (
            {"secret": 1},
            "keys.1: unknown key; allowed: created_at, expires_at, id, name",
        ),
    ],
)
def test_messages_name_the_key_and_show_no_value(change: dict[str, Any], said: str) -> None:
    content = json.dumps({"keys": [{**ENTRY, **change}]}).encode()
    with pytest.raises(Misconfigured) as error:
        decode_keys(content, "keys.json")
    assert said in str(error.value)
    assert "secret" not in str(error.value)


@given(
    st.floats(0.01, 1000),
    st.lists(st.floats(-0.5, 2), min_size=1, max_size=120),
    st.integers(1, 5),
)
def test_no_interval_has_more_requests_than_the_rate_allows(
    rate: float, steps: list[float], at_once: int
) -> None:
    bucket = TokenBucket(rate, 0.0)
    admitted = [
        moment for moment in accumulate(steps) for _ in range(at_once) if bucket.take(moment) == 0
    ]
    clock = [*accumulate(admitted, max)]
    for first in range(len(clock)):
        for last in range(first, len(clock)):
            allowed = bucket.burst + rate * max(0.0, clock[last] - clock[first])
            assert last - first + 1 <= allowed + 1e-6


@given(st.floats(0.01, 1000), st.integers(0, 2000))
def test_a_request_after_the_returned_wait_is_admitted(rate: float, taken: int) -> None:
    bucket = TokenBucket(rate, 0.0)
    waits = [wait for _ in range(taken) if (wait := bucket.take(0.0))]
    if not waits:
        assert taken <= bucket.burst
        return
    assert waits[0] <= 1 / rate
    assert bucket.take(waits[0] * (1 + 1e-9) + 1e-9) == 0


def test_a_burst_is_limited_to_the_requests_of_one_second() -> None:
    bucket = TokenBucket(3, 10.0)
    assert [bucket.take(10.0) > 0 for _ in range(5)] == [False, False, False, True, True]
    assert bucket.take(10.34) == 0
    assert bucket.take(10.34) == pytest.approx(0.98 / 3, abs=0.01)
