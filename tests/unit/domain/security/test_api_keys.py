"""Keys are recognised by what was handed out and nothing else; a rate is never exceeded."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidData, Misconfigured, NotFound
from domain.security.api_key_mapping import ring_from_mapping, ring_to_mapping
from domain.security.api_keys import ApiKey, KeyRing, Minted, Scope, TokenBucket, mint

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENTROPY = st.binary(min_size=54, max_size=54)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,63}", fullmatch=True)
SCOPES = st.frozensets(st.sampled_from(Scope), min_size=1)


def minted(entropy: bytes = bytes(54), name: str = "shop", **more: Any) -> Minted:
    return mint(name, [Scope.PREDICT], entropy, NOW, **more)


@st.composite
def keys(draw: st.DrawFn) -> ApiKey:
    rate = draw(st.none() | st.floats(0.001, 1e6))
    life = draw(st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=9_000)))
    expires = None if life is None else NOW + life
    made = mint(draw(NAMES), draw(SCOPES), draw(ENTROPY), NOW, expires_at=expires, rate=rate)
    return made.key


@given(ENTROPY, ENTROPY)
def test_a_token_opens_what_its_own_key_opens(one: bytes, other: bytes) -> None:
    first, second = minted(one), minted(other[::-1], "other")
    if first.key.id == second.key.id:
        return
    ring = KeyRing((first.key, second.key))
    assert ring.verified(first.token.encode()) is first.key
    assert ring.verified(second.token.encode()) is second.key
    assert KeyRing((second.key,)).verified(first.token.encode()) is None


@given(ENTROPY, st.integers(0, 58), st.binary(min_size=1, max_size=3))
def test_a_token_that_was_changed_in_any_place_opens_nothing(
    entropy: bytes, place: int, put: bytes
) -> None:
    made = minted(entropy)
    token = made.token.encode()
    changed = token[:place] + put + token[place + len(put) :]
    verified = KeyRing((made.key,)).verified(changed)
    assert (verified is made.key) == (changed == token)


@given(st.binary(max_size=80))
def test_what_is_no_token_opens_nothing(token: bytes) -> None:
    assert KeyRing((minted().key,)).verified(token) is None


def test_the_token_of_another_secret_under_the_same_id_opens_nothing() -> None:
    made, other = minted(bytes(54)), minted(bytes(53) + b"\1")
    assert made.key.id == other.key.id
    assert KeyRing((made.key,)).verified(other.token.encode()) is None


def test_nothing_that_is_kept_or_shown_holds_the_secret() -> None:
    made = minted(bytes(range(54)))
    secret = made.token.rpartition("_")[2]
    assert secret not in repr(made)
    assert secret not in str(ring_to_mapping(KeyRing((made.key,))))
    assert repr(made.key.digest) not in repr(made.key)


@given(st.lists(keys(), max_size=5, unique_by=(lambda key: key.id, lambda key: key.name)))
def test_keys_come_back_from_a_mapping_as_they_were(ring: list[ApiKey]) -> None:
    there = KeyRing(tuple(ring))
    assert ring_from_mapping(ring_to_mapping(there), "here") == there


def test_admin_is_good_for_everything_and_others_for_their_own() -> None:
    admin = mint("a", [Scope.ADMIN], bytes(54), NOW).key
    assert all(map(admin.allows, Scope))
    predict = minted().key
    assert [scope for scope in Scope if predict.allows(scope)] == [Scope.PREDICT]


def test_a_key_expires_at_its_time() -> None:
    key = minted(expires_at=NOW + timedelta(hours=1)).key
    assert not key.expired(NOW + timedelta(minutes=59))
    assert key.expired(NOW + timedelta(hours=1))
    assert not minted().key.expired(NOW + timedelta(days=9_999))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "x"}, "12 digits"),
        ({"name": ""}, "cannot name a key"),
        ({"name": "a\n"}, "cannot name a key"),
        ({"scopes": frozenset()}, "has no scope; allowed: predict, metrics, admin"),
        ({"salt": b""}, "no whole salt"),
        ({"digest": b"1"}, "no whole salt"),
        ({"rate": 0.0}, "above 0"),
        ({"rate": float("nan")}, "above 0"),
        ({"rate": float("inf")}, "above 0"),
        ({"created_at": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 - that is the fault
    ],
)
def test_a_key_that_makes_no_sense_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        replace(minted().key, **change)


def test_a_key_is_not_made_expired_or_of_too_little_chance() -> None:
    with pytest.raises(InvalidData, match="expired already"):
        minted(expires_at=NOW)
    with pytest.raises(InvalidData, match="random bytes"):
        minted(bytes(53))


def test_a_ring_takes_and_drops_keys_by_name_and_id() -> None:
    one, two = minted(bytes(54), "one").key, minted(b"\1" * 54, "two").key
    ring = KeyRing().adding(one).adding(two)
    assert ring.without("one").keys == ring.without(one.id).keys == (two,)
    with pytest.raises(NotFound, match="no key 'three'; there is: one, two"):
        ring.without("three")
    with pytest.raises(InvalidData, match="already"):
        ring.adding(replace(two, id="0123456789ab"))
    with pytest.raises(InvalidData, match="same id"):
        ring.adding(replace(two, name="three"))


ENTRY: dict[str, Any] = ring_to_mapping(KeyRing((minted().key,)))["keys"][0]


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
        *({"keys": [{**ENTRY, name: value}]} for name in ENTRY for value in (7.5j, [7], "ß")),
        *({"keys": [{**ENTRY, name: None}]} for name in set(ENTRY) - {"rate", "expires_at"}),
        {"keys": [{**ENTRY, "rate": True}]},
        {"keys": [{**ENTRY, "scopes": ["predict", "all"]}]},
        {"keys": [{**ENTRY, "created_at": "2026-01-01"}]},
    ],
)
def test_what_is_no_file_of_keys_is_refused_by_its_name(mapping: object) -> None:
    with pytest.raises(Misconfigured, match=r"^keys\.json: "):
        ring_from_mapping(mapping, "keys.json")


@given(
    st.floats(0.01, 1000),
    st.lists(st.floats(-0.5, 2), min_size=1, max_size=120),
    st.integers(1, 5),
)
def test_no_time_sees_more_requests_than_the_rate_allows(
    rate: float, steps: list[float], at_once: int
) -> None:
    bucket = TokenBucket(rate, 0.0)
    let_through = [
        moment for moment in accumulate(steps) for _ in range(at_once) if bucket.take(moment) == 0
    ]
    clock = [*accumulate(let_through, max)]
    for first in range(len(clock)):
        for last in range(first, len(clock)):
            allowed = bucket.burst + rate * max(0.0, clock[last] - clock[first])
            assert last - first + 1 <= allowed + 1e-6


@given(st.floats(0.01, 1000), st.integers(0, 2000))
def test_after_the_wait_that_was_told_there_is_room(rate: float, taken: int) -> None:
    bucket = TokenBucket(rate, 0.0)
    told = [wait for _ in range(taken) if (wait := bucket.take(0.0))]
    if not told:
        assert taken <= bucket.burst
        return
    assert told[0] <= 1 / rate
    assert bucket.take(told[0] * (1 + 1e-9) + 1e-9) == 0


def test_a_second_s_worth_may_come_at_once_and_then_no_more() -> None:
    bucket = TokenBucket(3, 10.0)
    assert [bucket.take(10.0) > 0 for _ in range(5)] == [False, False, False, True, True]
    assert bucket.take(10.34) == 0
    assert bucket.take(10.34) == pytest.approx(0.98 / 3, abs=0.01)
