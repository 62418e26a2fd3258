from pathlib import Path

import pytest

from adapters.filesystem.file_result_store import FileResults
from application.ports import ResultStore
from domain.errors import InvalidData, Unavailable
from tests.integration.contracts.result_store import DOCUMENT, ResultStoreContract


class TestFileResults(ResultStoreContract):
    @pytest.fixture
    def results(self, tmp_path: Path) -> ResultStore:
        return FileResults(tmp_path / "experiments")

    @pytest.mark.parametrize("content", ["", '{"rmse":', "[1]", "\x00"])
    def test_what_is_not_whole_counts_as_not_there(self, tmp_path: Path, content: str) -> None:
        results = FileResults(tmp_path)
        results.put("cv-1", DOCUMENT)
        (tmp_path / "cv-1.json").write_text(content)
        assert results.get("cv-1", dict) is None

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(Unavailable, match="file"):
            FileResults(tmp_path / "file").put("cv-1", DOCUMENT)

    def test_a_name_cannot_lead_elsewhere(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidData, match="not a plain file name"):
            FileResults(tmp_path / "results").put("../cv-1", DOCUMENT)
