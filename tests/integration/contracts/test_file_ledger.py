import json
from pathlib import Path

import pytest

from adapters.filesystem.file_ledger import FileLedger
from domain.errors import Unavailable, UnreadableData
from tests.integration.contracts.ledger import LedgerContract, entry


class TestFileLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> FileLedger:
        return FileLedger(tmp_path / "home" / "ledger.jsonl")

    def test_it_is_a_line_of_json_per_decision(self, ledger: FileLedger, tmp_path: Path) -> None:
        ledger.append(entry(1))
        ledger.append(entry(2))
        lines = (tmp_path / "home" / "ledger.jsonl").read_text().splitlines()
        assert [json.loads(line)["version"] for line in lines] == ["houses/1", "houses/2"]

    def test_what_was_written_is_never_changed(self, ledger: FileLedger, tmp_path: Path) -> None:
        ledger.append(entry(1))
        before = (tmp_path / "home" / "ledger.jsonl").read_bytes()
        ledger.append(entry(2))
        assert (tmp_path / "home" / "ledger.jsonl").read_bytes().startswith(before)

    def test_another_process_may_read_while_one_writes(
        self, ledger: FileLedger, tmp_path: Path
    ) -> None:
        ledger.append(entry(1))
        with (tmp_path / "home" / "ledger.jsonl").open("ab") as file:
            file.write(b'{"at": "2026')
        assert [*ledger.entries("houses")] == [entry(1)]
        ledger.append(entry(2))
        assert [*ledger.entries("houses")] == [entry(1), entry(2)]

    def test_a_line_that_is_no_entry_is_named(self, ledger: FileLedger, tmp_path: Path) -> None:
        ledger.append(entry(1))
        with (tmp_path / "home" / "ledger.jsonl").open("ab") as file:
            file.write(b'{"at": "yesterday"}\n')
        with pytest.raises(UnreadableData, match=r"ledger\.jsonl, line 2"):
            ledger.entries("houses")

    def test_the_error_names_a_path_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "home").write_text("a file, not a folder")
        ledger = FileLedger(tmp_path / "home" / "ledger.jsonl")
        with pytest.raises(Unavailable, match=r"home"):
            ledger.append(entry(1))
