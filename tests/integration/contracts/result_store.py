"""What every store of results must do. A subclass provides the fixture `results`."""

from application.ports import ResultStore

DOCUMENT = {"rmse": 1.5, "steps": [{"name": "ridge", "words": "größer"}], "none": None}


class ResultStoreContract:
    def test_what_is_not_there_is_nothing(self, results: ResultStore) -> None:
        assert results.get("cv-1", dict) is None

    def test_a_document_comes_back_as_it_was(self, results: ResultStore) -> None:
        results.put("cv-1", DOCUMENT)
        assert results.get("cv-1", dict) == DOCUMENT
        assert results.get("cv-2", dict) is None

    def test_a_later_document_replaces_one_of_the_same_name(self, results: ResultStore) -> None:
        results.put("cv-1", DOCUMENT)
        results.put("cv-1", {"rmse": 2})
        assert results.get("cv-1", dict) == {"rmse": 2}

    def test_what_was_given_is_not_shared(self, results: ResultStore) -> None:
        given = {"scores": [1.0]}
        results.put("cv-1", given)
        given["scores"].append(2.0)
        assert results.get("cv-1", dict) == {"scores": [1.0]}
