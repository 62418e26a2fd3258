"""Measure modelport side by side with its peers and write the tables of `docs/benchmarks/`."""

import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from domain.errors import ModelportError
from entrypoints.wiring.data_uris import fetch_reference_data
from entrypoints.wiring.settings import load_settings
from tests.benchmarks import batch, environments, machine, models, online, online_page, servers, wrk
from tests.benchmarks.batch_page import Measured, batch_page
from tests.benchmarks.online_page import OURS, soak_page
from tests.benchmarks.places import KEPT, PAGES, Unusable
from tests.benchmarks.processes import Memory
from tests.benchmarks.report import write

_SOAK_SECONDS = 5
_UNITS = {"k": 1_000, "m": 1_000_000}
_LIBRARIES = {
    "plain": ("fastapi", "uvicorn", "pandas", "scikit-learn"),
    "mlflow": ("mlflow", "scikit-learn", "onnxruntime"),
    "mlserver": ("mlserver", "scikit-learn"),
}
_OUR_LIBRARIES = ("modelport", "uvicorn", "onnxruntime", "numpy", "pyarrow")


def main(arguments: Sequence[str]) -> int:
    """Measure what was asked for; return the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        _run(chosen, reproduction(arguments))
    except (Unusable, ModelportError) as error:
        print(f"nothing is reported: {error}", file=sys.stderr)
        return 1
    return 0


def reproduction(arguments: Sequence[str]) -> str:
    """Return the command to measure the same again, without the places of one machine."""
    places = ("--data", "--output")
    kept = [
        word
        for before, word in zip(("", *arguments), arguments, strict=False)
        if before not in places and not word.startswith(places)
    ]
    return f"make bench ARGS={shlex.quote(' '.join(kept))}" if kept else "make bench"


def _run(chosen: Namespace, command: str) -> None:
    if chosen.what != "batch":
        wrk.require_wrk()
        online.cores()
    if (busy := machine.warning()) is not None:
        print(f"warning: {busy}", file=sys.stderr)
    about = machine.describe()
    data = chosen.data or fetch_reference_data(load_settings())
    trained = models.train(Path(data).resolve())
    if chosen.what == "soak":
        _soak(chosen, trained, about, command)
    if chosen.what in ("online", "all"):
        _online(chosen, trained, about, command)
    if chosen.what in ("batch", "all"):
        _batch(chosen, trained, about, command)


def _soak(chosen: Namespace, trained: models.Models, about: dict[str, str], command: str) -> None:
    plan = _plan(chosen)
    server = servers.prepare(OURS, trained)
    memories = online.soak(server, trained, plan, every=1 if chosen.quick else _SOAK_SECONDS)
    raw = {"about": about, "soak": _raw(memories)}
    _report(chosen, "soak", soak_page(memories, about, command), raw)


def _raw(memories: Sequence[tuple[int, Memory]]) -> list[dict[str, float]]:
    return [{"requests": sent, **asdict(held)} for sent, held in memories]


def _plan(chosen: Namespace) -> online.Plan:
    server_core, load_core = online.cores()
    return online.Plan(
        rounds=chosen.rounds or (1 if chosen.quick else 5),
        seconds=1 if chosen.quick else chosen.seconds,
        warm_up=1 if chosen.quick else 2,
        soak=5_000 if chosen.quick else chosen.soak,
        server_core=server_core,
        load_core=load_core,
    )


def _online(chosen: Namespace, trained: models.Models, about: dict[str, str], command: str) -> None:
    plan = _plan(chosen)
    compared = [servers.prepare(name, trained) for name in servers.SERVERS if _wanted(chosen, name)]
    visits = online.measure(compared, trained, plan)
    ours = [server for server in compared if server.name == OURS]
    measured = online_page.Measured(
        visits,
        online.model_limit(trained, plan) if _wanted(chosen, servers.TENSORS) else None,
        online.scaling(_workers(trained), trained, plan) if ours else {},
        online.soak(ours[0], trained, plan) if ours and plan.soak else [],
        online.with_and_without_flood(ours[0], trained, plan) if ours else [],
    )
    titles = {server.name: server.title for server in compared}
    about = {**about, **_versions(), "load generator": wrk.version()}
    text = online_page.online_page(measured, titles, about, plan, command)
    raw = {
        "about": about,
        "plan": asdict(plan),
        "visits": {name: [asdict(visit) for visit in them] for name, them in visits.items()},
        "model rows/s": measured.limit,
        "workers": {n: [asdict(load) for load in them] for n, them in measured.scaling.items()},
        "soak": _raw(measured.memories),
        "flooded": [[asdict(load) for load in pair] for pair in measured.flooded],
    }
    _report(chosen, "online", text, raw)


def _workers(trained: models.Models) -> dict[int, servers.Server]:
    return {workers: servers.with_workers(trained, workers) for workers in (1, 2)}


def _batch(chosen: Namespace, trained: models.Models, about: dict[str, str], command: str) -> None:
    rounds = chosen.rounds or (1 if chosen.quick else 3)
    compared = [make(trained) for name, make in batch.SCORERS.items() if _wanted(chosen, name)]
    sizes: list[Measured] = []
    for rows in [50_000] if chosen.quick else chosen.rows:
        usages = batch.measure_scorers(compared, trained.data, rows, rounds)
        sizes.append(Measured(rows, usages, *batch.profile(trained, rows)))
    titles = {scorer.name: scorer.title for scorer in compared}
    about = {**about, **_versions()}
    text = batch_page(sizes, titles, about, rounds, command)
    _report(chosen, "batch", text, {"about": about, "sizes": [asdict(size) for size in sizes]})


def _report(chosen: Namespace, name: str, text: str, raw: object) -> None:
    """Write a page into the docs; of a quick run, beside the raw figures only."""
    if chosen.quick:
        name = f"quick-{name}"
    folder = KEPT if chosen.quick else chosen.output
    write(folder, KEPT, name, text, raw)
    print(text)
    print(f"wrote {folder / name}.md and {KEPT / name}.json", file=sys.stderr)


def _wanted(chosen: Namespace, name: str) -> bool:
    return not chosen.only or name in chosen.only


def _versions() -> dict[str, str]:
    ours = {"modelport's environment": machine.our_versions(_OUR_LIBRARIES)}
    peers = {
        f"{peer} environment": environments.versions(peer, libraries)
        for peer, libraries in _LIBRARIES.items()
    }
    return {
        name: ", ".join(f"{library} {version}" for library, version in pins.items())
        for name, pins in {**ours, **peers}.items()
    }


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "what", nargs="?", choices=("online", "batch", "soak", "all"), default="all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="try everything once, in small; leaves docs/ alone"
    )
    names = sorted({*servers.SERVERS, *batch.SCORERS})
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--rounds", type=int, help="rounds (default: 5 online, 3 of a batch)")
    parser.add_argument("--seconds", type=int, default=5, help="of load (default: %(default)s)")
    parser.add_argument(
        "--soak",
        type=int,
        default=1_000_000,
        metavar="REQUESTS",
        help="requests to send to modelport while watching its memory (default: %(default)s)",
    )
    parser.add_argument(
        "--rows",
        type=_sizes,
        default=[1_000_000],
        help="sizes of the batch, such as 100k,1M,10M (default: 1M)",
    )
    parser.add_argument("--data", type=Path, help="housing.csv (default: fetched)")
    parser.add_argument(
        "--output", type=Path, default=PAGES, help="folder of the pages (default: docs/benchmarks)"
    )
    return parser


def _sizes(text: str) -> list[int]:
    return [size(word) for word in text.split(",")]


def size(word: str) -> int:
    """Read a number of rows such as 7, 100k or 1m."""
    word = word.strip().lower()
    unit = _UNITS.get(word[-1:], 1)
    return int(word.removesuffix(word[-1:]) if unit > 1 else word) * unit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
