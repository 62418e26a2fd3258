from collections.abc import Sequence

import pytest

from tests.benchmarks import online_page as online
from tests.benchmarks.batch_page import Measured, batch_page, comparison, profile
from tests.benchmarks.online import Plan, Visit
from tests.benchmarks.online_page import OURS, Figures, aims, online_page, soak_page
from tests.benchmarks.processes import Memory, Usage
from tests.benchmarks.servers import BARE, MLFLOW, REGISTERED, TENSORS
from tests.benchmarks.shapes import JSON_SHAPES, TENSOR_SHAPES, Shape
from tests.benchmarks.wrk import Load

PLAN = Plan(rounds=3, seconds=5, warm_up=2, soak=1000, server_core=0, load_core=1)


def visit(
    rate: int,
    p50: float,
    *,
    start: float = 0.5,
    rss: float = 100.0,
    shapes: Sequence[Shape] = JSON_SHAPES,
) -> Visit:
    load = Load(requests=rate * 5, seconds=5.0, p50=p50, p99=p50 * 3)
    memory = Memory(pss=rss - 10, rss=rss)
    loads = {shape.name: load for shape in shapes}
    return Visit(start, memory, memory, 1000, loads)


@pytest.fixture
def visits() -> dict[str, list[Visit]]:
    return {
        BARE: [visit(40_000, 100)],
        OURS: [visit(rate, 200) for rate in (10_000, 16_000, 12_000)],
        MLFLOW: [visit(100, 8000, start=5.0, rss=300.0)],
        REGISTERED: [visit(300, 3000)],
    }


def cells(text: str, first: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return line.strip("| ").split(" | ")[1:]


def test_aims_are_judged_by_the_median_round(visits: dict[str, list[Visit]]) -> None:
    text = aims(Figures(visits))
    assert cells(text, "32 connections: × mlflow, scikit-learn flavour, at least") == [
        *("80.0", "120", "yes")
    ]
    assert cells(text, "32 connections: × mlflow, our registered version, at least") == [
        *("80.0", "40.0", "no")
    ]
    assert cells(text, "32 connections: ÷ bare function, at least") == ["0.40", "0.30", "no"]
    assert cells(text, "1 connection: median ÷ bare function's, at most") == ["3.00", "2.00", "yes"]
    assert cells(text, "1 connection: p99 ÷ median, at most") == ["2.20", "3.00", "no"]
    assert cells(text, "100-row bodies: rows/s, at least") == ["200,000", "1,200,000", "yes"]


def test_a_flood_is_judged_by_the_median_of_its_rounds() -> None:
    idle = Load(requests=1000, seconds=1.0, p50=200.0, p99=400.0)
    flooded = [(idle, Load(1000, 1.0, 200.0, p99)) for p99 in (900.0, 2400.0, 1200.0)]
    text = aims(Figures({}), flooded=flooded)
    assert cells(text, "p99 under a flood of explanations ÷ without, at most") == [
        *("5.00", "3.00", "yes")
    ]


def test_an_upper_bound_is_missed_from_above(visits: dict[str, list[Visit]]) -> None:
    visits[OURS] = [visit(12_000, 200, start=1.5, rss=151.0)]
    text = aims(Figures(visits))
    assert cells(text, "first right answer: s, at most") == ["1.00", "1.50", "no"]
    assert cells(text, "resident memory of a worker: MB, at most") == ["150", "151", "no"]


def test_what_was_not_measured_is_not_judged() -> None:
    text = aims(Figures({OURS: [visit(12_000, 200)]}))
    assert cells(text, "32 connections: ÷ bare function, at least") == ["0.40", "–", "–"]


def test_the_online_page_shows_every_server_in_every_table(visits: dict[str, list[Visit]]) -> None:
    titles = {name: f"the {name} server" for name in visits}
    soak = [(1000, Memory(90.0, 100.0)), (2000, Memory(91.0, 101.0))]
    measured = online.Measured(visits, memories=soak)
    text = online_page(measured, titles, {"memory": "8 GB"}, PLAN, "make bench")
    for title in titles.values():
        assert text.count(f"| {title} |") == 4
    assert "| the bare server | 40,000 | – | 400 |" in text, "a constant is no prediction"
    assert "| 2,000 | 91.0 | 101 |" in text
    assert "- rounds: 3 rounds of 5 s, after 2 s of warm-up" in text
    assert "Again: `make bench`" in text


def test_binary_tensors_are_judged_by_the_model_where_that_is_slower(
    visits: dict[str, list[Visit]],
) -> None:
    visits[TENSORS] = [visit(450, 2000, shapes=TENSOR_SHAPES)]
    titles = {name: f"the {name} server" for name in visits}
    aim = "binary tensors of 1,000 rows: rows/s, at least"
    slow, fast = (
        online_page(online.Measured(visits, limit), titles, {}, PLAN, "make bench")
        for limit in (440_000.0, 600_000.0)
    )
    assert cells(slow, aim) == ["440,000", "450,000", "yes"]
    assert cells(fast, aim) == ["500,000", "450,000", "no"]
    assert "one core: 600,000 rows/s" in fast
    assert fast.count(f"| {titles[TENSORS]} |") == 2, "its own table, and that of memory"


def test_workers_are_compared_with_one(visits: dict[str, list[Visit]]) -> None:
    scaling = {n: [Load(1000 * n, 5.0, 200.0, 400.0)] for n in (1, 2)}
    titles = {name: f"the {name} server" for name in visits}
    text = online_page(online.Measured(visits, scaling=scaling), titles, {}, PLAN, "make bench")
    assert cells(text, "2") == ["40,000", "2.00", "0%"]


def measured(stages: dict[str, float] | None = None) -> Measured:
    usages = {
        "modelport": [Usage(seconds, 4.0, Memory(250.0, 200.0)) for seconds in (2.0, 1.9, 2.2)],
        "mlflow-sklearn": [Usage(20.0, 30.0, Memory(900.0, 800.0))],
        "script": [Usage(10.0, 10.0, Memory(600.0, 600.0))],
    }
    return Measured(1_000_000, usages, stages, 2.0)


TITLES = {"modelport": "ours", "mlflow-sklearn": "MLflow's", "script": "the script"}


def test_scorers_are_compared_by_their_median_round() -> None:
    text = comparison(measured(), TITLES)
    figures = ["2.00", "500,000", "10.0", "5.00", "250", "200", "2.00", "15%"]
    assert cells(text, "ours") == figures
    assert cells(text, "MLflow's")[:4] == ["20.0", "50,000", "1.00", "0.50"]


def test_a_ratio_to_what_was_not_measured_is_left_out() -> None:
    alone = Measured(1000, {"modelport": [Usage(2.0, 4.0, Memory(1.0, 1.0))]}, None, 2.0)
    assert cells(comparison(alone, TITLES), "ours")[2:4] == ["–", "–"]


def test_the_profile_adds_up_to_the_whole_process() -> None:
    text = profile(measured(), {"reading": 0.4, "model": 1.0})
    assert cells(text, "start-up") == ["0.60", "30%", "0.60"]
    assert cells(text, "the whole process") == ["2.00", "100%", "2.00"]
    assert text.index("| model |") < text.index("| start-up |") < text.index("| reading |")


def test_the_batch_page_has_a_profile_where_there_is_one() -> None:
    with_one = batch_page([measured({"model": 1.0})], TITLES, {}, 3, "make bench ARGS=batch")
    without = batch_page([measured()], TITLES, {}, 3, "make bench ARGS=batch")
    assert "## 1,000,000 rows" in with_one
    assert "Where the time goes" in with_one
    assert "Where the time goes" not in without


def test_the_soak_page_says_how_the_second_half_of_the_requests_changed_memory() -> None:
    held = [(1000 * n, Memory(90.0 + n, 100.0 + n)) for n in range(1, 5)]
    text = soak_page(held, {"memory": "8 GB"}, "make bench ARGS=soak")
    assert "changed the resident memory by +1.0 MB" in text
    assert cells(text, "4,000") == ["94.0", "104"]
    assert "make bench ARGS=soak" in text
