"""What every ledger must do. A subclass provides `ledger`, which is empty."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from application.ports import Ledger
from domain.promotion.ledger import Action, LedgerEntry, PromotionOutcome

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def entry(version: int, model: str = "houses") -> LedgerEntry:
    return LedgerEntry(
        AT,
        Action.TRAIN,
        PromotionOutcome.PROMOTED,
        model,
        f"{model}/{version}",
        None,
        "ada",
        ("RMSE 2 € is lower\nand more",),
        {"checks": [{"name": "error", "low": -2.0123456789012345, "passed": None}]},
    )


class LedgerContract:
    def test_an_empty_ledger_has_no_entries(self, ledger: Ledger) -> None:
        assert [*ledger.entries("houses")] == []

    def test_entries_come_back_whole_and_in_order(self, ledger: Ledger) -> None:
        for version in (2, 1, 3):
            ledger.append(entry(version))
        assert [*ledger.entries("houses")] == [entry(2), entry(1), entry(3)]

    def test_a_promotion_that_ended_is_one_entry(self, ledger: Ledger) -> None:
        ledger.append(entry(1).begun)
        ledger.append(entry(1))
        ledger.append(entry(2).begun)
        ledger.append(entry(2).failed("somebody was faster"))
        ledger.append(entry(3).begun)
        failed = entry(2).failed("somebody was faster")
        assert [*ledger.entries("houses")] == [entry(1), failed, entry(3).begun]

    def test_each_model_has_its_own_entries(self, ledger: Ledger) -> None:
        ledger.append(entry(1))
        ledger.append(entry(1, "flats"))
        assert [*ledger.entries("flats")] == [entry(1, "flats")]
        assert [*ledger.entries("barns")] == []

    def test_nothing_is_lost_between_threads(self, ledger: Ledger) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ledger.append, map(entry, range(40))))
        found = {each.version for each in ledger.entries("houses")}
        assert found == {f"houses/{version}" for version in range(40)}
