import re

import pytest

from entrypoints.cli.command_table import SUMMARIES, load_command
from tests.integration.program import Place

COMMANDS = (
    "demo",
    "data fetch",
    "data sample",
    "data check",
    "train",
    "evaluate",
    "predict",
    "predict-one",
    "serve",
    "models list",
    "models show",
    "models promote",
    "models rollback",
    "models sign",
    "models history",
    "experiments run",
    "experiments seeds",
    "experiments report",
    "keys create",
    "keys list",
    "keys revoke",
    "signing create-key",
    "signing list",
    "doctor",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(empty: Place, command: str) -> None:
    shown = empty.good(*command.split(), "--help").out
    (example,) = re.findall(r"Example: (modelport .*)", shown)
    assert example.startswith(f"modelport {command}")
    assert f"Usage: modelport {command}" in shown


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "serve"])
def test_every_command_with_a_result_has_the_option_json(empty: Place, command: str) -> None:
    assert "--json" in empty.good(*command.split(), "--help").out


def test_the_help_lists_every_command_and_exit_code(empty: Place) -> None:
    shown = empty.good("--help").out
    for command in COMMANDS:
        assert f" {command.split()[0]} " in shown
    for code in (0, 2, 3, 65, 66, 69, 70, 75, 77, 78):
        assert re.search(rf"\b{code} ", shown)


def test_the_version_is_printed(empty: Place) -> None:
    assert re.fullmatch(r"modelport \d+\.\d+\.\d+\n", empty.good("--version").out)


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_is_the_first_sentence_of_the_help(name: str) -> None:
    assert SUMMARIES[name] == load_command(name).help.partition("\n\n")[0]


@pytest.mark.parametrize("group", ["data", "models", "experiments", "keys", "signing"])
def test_a_group_lists_its_commands(empty: Place, group: str) -> None:
    shown = empty.good(group, "--help").out
    for command in COMMANDS:
        if command.startswith(f"{group} "):
            assert f" {command.split()[1]} " in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("trian", "train"),
        ("train --estimatr ridge", "--estimator"),
        ("train --estimator forest", "random_forest"),
        ("train --seed x", "--seed"),
        ("predict only-one", "OUTPUT"),
        ("predict a.csv b.csv --chunk-rows 0", "--chunk-rows"),
        ("serve --port 65536", "--port"),
        ("serve --workers 0", "--workers"),
        ("models show", "REF"),
        ("data sample --rows 0 --out x.csv", "--rows"),
    ],
)
def test_wrong_usage_names_what_is_allowed(empty: Place, arguments: str, said: str) -> None:
    ran = empty.call(*arguments.split())
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
