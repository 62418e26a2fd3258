from entrypoints.cli.commands.predict_one import contribution_bars


def test_bars_are_as_long_as_contributions_and_sorted_by_size() -> None:
    assert contribution_bars(1000.0, {"age": -5.0, "rooms": 120.5, "floor": 0.0}) == [
        "base   1,000.00",
        "rooms   +120.50  ████████████████████████",
        "age     -5.0000  █",
        "floor   +0.0000",
    ]
