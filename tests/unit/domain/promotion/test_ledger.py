import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.filesystem.file_ledger import LEDGER_ENTRY
from domain.errors import Misconfigured
from domain.promotion.decision import PromotionDecision
from domain.promotion.ledger import Action, LedgerEntry, PromotionOutcome, outcome_of

WORDS = st.text(max_size=20)
ENTRY = LedgerEntry(
    datetime(2024, 5, 17, 12, tzinfo=UTC),
    Action.TRAIN,
    PromotionOutcome.PROMOTED,
    "houses",
    "houses/2",
    "houses/1",
    "ada",
    ("RMSE is lower",),
    {"checks": [{"low": -1.5}]},
)


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from(Action),
    st.sampled_from(PromotionOutcome),
    st.none() | st.just("houses/1"),
    WORDS,
    st.lists(WORDS, max_size=3),
)
def test_an_entry_comes_back_from_its_line(
    at: datetime,
    action: Action,
    outcome: PromotionOutcome,
    champion: str | None,
    by: str,
    why: list[str],
) -> None:
    entry = LedgerEntry(at, action, outcome, "houses", "houses/2", champion, by, tuple(why))
    line = entry.to_line()
    assert b"\n" not in line
    assert LEDGER_ENTRY.json(line, "here") == entry


def test_time_is_kept_in_utc() -> None:
    local = datetime(2024, 5, 17, 14, tzinfo=timezone(timedelta(hours=2)))
    line = LedgerEntry(
        local, Action.PROMOTE, PromotionOutcome.PROMOTED, "h", "h/1", None, "ada", ()
    )
    assert line.to_mapping()["at"] == "2024-05-17T12:00:00+00:00"


def test_a_decision_that_could_not_be_carried_out_says_why() -> None:
    failed = ENTRY.failed("somebody was faster")
    assert (failed.outcome, failed.reasons) == (PromotionOutcome.CONFLICT, ("somebody was faster",))
    assert failed.version == ENTRY.version


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        json.dumps({**ENTRY.to_mapping(), "outcome": "won"}).encode(),
        json.dumps({**ENTRY.to_mapping(), "at": "yesterday"}).encode(),
        json.dumps({**ENTRY.to_mapping(), "reasons": 3}).encode(),
        b"[" * 100_000,
    ],
)
def test_another_line_is_refused_with_its_place(line: bytes) -> None:
    with pytest.raises(Misconfigured, match=r"^ledger, line 3"):
        LEDGER_ENTRY.json(line, "ledger, line 3")


@pytest.mark.parametrize(
    ("promoted", "asked", "unchanged", "outcome"),
    [
        (True, True, False, PromotionOutcome.PROMOTED),
        (True, True, True, PromotionOutcome.UNCHANGED),
        (False, True, False, PromotionOutcome.REFUSED),
        (False, False, False, PromotionOutcome.WITHHELD),
    ],
)
def test_what_a_decision_means_for_the_champion(
    promoted: bool, asked: bool, unchanged: bool, outcome: PromotionOutcome
) -> None:
    decision = PromotionDecision(promoted, ("because",))
    assert outcome_of(decision, requested=asked, unchanged=unchanged) is outcome
