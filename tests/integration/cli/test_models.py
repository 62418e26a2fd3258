import shlex

import pytest

from tests.integration.program import Place


def test_versions_are_listed_with_their_metrics_and_data(trained: Place) -> None:
    header, first, second = trained.good("models", "list").out.splitlines()
    assert header.split() == ["model", "aliases", "estimator", "RMSE", "R²", "data", "created"]
    assert first.split()[:3] == ["housing/1", "previous", "dummy"]
    assert second.split()[:3] == ["housing/2", "champion", "ridge"]
    document = trained.good("models", "list", "--json").document["versions"][1]
    assert document["details"]["estimator"] == "ridge"
    assert document["version"] == 2


def test_without_models_the_list_names_the_command_that_trains(empty: Place) -> None:
    ran = empty.good("models", "list")
    assert ran.out == ""
    assert "modelport train" in ran.err
    assert empty.good("models", "list", "--json").document == {"versions": []}


def test_a_version_is_shown_with_its_features_and_metrics(trained: Place) -> None:
    shown = trained.good("models", "show", "housing").out
    assert "housing/2" in shown
    assert "champion" in shown
    assert "a number from -90 to 90 (degrees north)" in shown
    assert "rooms_per_household" in shown
    for title in (
        "Intended use",
        "Data and its limits",
        "Metrics",
        "Where it errs",
        "Uncertainty",
        "Features",
        "How to reproduce it",
        "Provenance",
    ):
        assert f"\n{title}\n" in shown
    assert "- Prices are those of 1990." in shown
    document = trained.good("models", "show", "housing/1", "--json").document
    assert (document["model"], document["aliases"]) == ("housing/1", ["previous"])


def test_the_card_is_written_as_markdown_or_as_a_page(trained: Place) -> None:
    told = trained.good("models", "show", "housing", "--out", "card.html")
    assert told.out == "model card of housing/2: card.html\n"
    page = (trained / "card.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "http" not in page
    assert "<script" not in page
    assert "&lt;1H OCEAN" in page
    trained.good("models", "show", "housing", "--out", "card.md")
    text = (trained / "card.md").read_text()
    assert trained.good("models", "show", "housing", "--format", "markdown").out == text
    assert "\n## Where it errs\n" in text
    ran = trained.call("models", "show", "housing", "--out", "absent/card.md")
    assert (ran.code, "absent/card.md cannot be written" in ran.err) == (69, True)


@pytest.mark.parametrize("estimator", ["ridge", "hist_gradient_boosting"])
def test_the_command_on_the_card_reproduces_the_bundle(empty: Place, estimator: str) -> None:
    first = empty.good("train", "--estimator", estimator, "--seed", "7", "--json").document
    shown = empty.good("models", "show", "housing").out
    (command,) = (line for line in shown.splitlines() if line.startswith("  modelport train"))
    again = empty.good(*shlex.split(command)[1:], "--json").document
    assert again["bundle"] == first["bundle"]


def test_a_champion_is_promoted_by_hand_and_rolled_back(trained: Place) -> None:
    ran = trained.good("models", "promote", "housing/1", "--json")
    assert ran.document == {"champion": "housing/1", "replaced": "housing/2", "changed": True}
    assert trained.registered() == [("housing/1", ["champion"]), ("housing/2", ["previous"])]
    told = trained.good("models", "rollback")
    assert told.out == "housing/2 is champion now; before: housing/1\n"
    assert trained.registered() == [("housing/1", ["previous"]), ("housing/2", ["champion"])]
    again = trained.good("models", "rollback", "--to", "housing/2")
    assert again.out == "housing/2 is already champion\n"


def test_a_rollback_may_name_the_version(trained: Place) -> None:
    ran = trained.good("models", "rollback", "--to", "housing/1", "--json")
    assert ran.document["champion"] == "housing/1"


def test_the_history_lists_every_decision_with_actor_and_reasons(trained: Place) -> None:
    where = trained.having(MODELPORT_ACTOR="ada")
    where.good("models", "promote", "housing/1", "--reason", "the [plainer] one")
    where.good("models", "rollback")
    blocks = where.good("models", "history").out.split("\n\n")
    assert len(blocks) == 4
    first, second, third, fourth = (block.splitlines() for block in blocks)
    assert first[0].endswith("housing/1 promoted")
    assert first[2] == "  there is no champion yet"
    assert second[0].endswith("housing/2 promoted; champion before: housing/1")
    assert "with 95% confidence the difference is from" in second[3]
    assert third[0].endswith("housing/1 promoted; champion before: housing/2")
    assert third[1:] == ["  promote by ada", "  the [plainer] one"]
    assert fourth[1:] == ["  rollback by ada", "  no reason was given"]
    other = where.good("models", "history", "barns")
    assert (other.out, "no decisions yet about barns" in other.err) == ("", True)


def test_without_a_previous_champion_rollback_is_refused(empty: Place) -> None:
    empty.good("train", "--estimator", "dummy")
    ran = empty.call("models", "rollback")
    assert ran.code == 66
    assert "has no previous champion" in ran.err


@pytest.mark.parametrize(
    ("reference", "code", "said"),
    [
        ("houses", 66, "no model 'houses'; there is housing"),
        ("housing/3", 66, "housing has no version 3; the latest are 1, 2"),
        ("housing@best", 66, "has no alias 'best'; it has champion (version 2)"),
        ("housing/0", 78, "NAME@ALIAS or NAME/VERSION"),
        ("housing/../x", 78, "NAME@ALIAS or NAME/VERSION"),
    ],
)
@pytest.mark.parametrize(
    "command",
    ["models show {}", "models promote {}", "models rollback --to {}", "evaluate --model {}",
     "predict-one --model {}"],
)  # fmt: skip
def test_an_unknown_reference_is_answered_with_the_known_ones(
    trained: Place, command: str, reference: str, code: int, said: str
) -> None:
    before = trained.registered()
    ran = trained.call(*command.format(reference).split())
    assert ran.code == code
    assert ran.out == ""
    assert said in ran.err
    assert trained.registered() == before
