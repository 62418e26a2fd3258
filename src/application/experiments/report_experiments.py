"""Tell how the model was chosen, from what experiments and registry know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from application.experiments.run_experiments import RESULTS
from application.experiments.try_seeds import SEEDS
from application.model.load_model import LoadModel
from application.ports import Notebooks, Plotter, ResultStore
from application.promotion.set_champion import resolved
from domain.canonical_json import json_value
from domain.errors import ArtefactRejected, NotFound
from domain.model.manifest import Manifest
from domain.model.reference import ModelRef, ModelVersion
from domain.reports.document import Document
from domain.reports.evidence import Evidence, Opening
from domain.reports.experiment_report import experiment_report


@dataclass(frozen=True, slots=True)
class Drawn:
    """A report, its figures as SVG by name, and the evidence behind both."""

    report: Document
    figures: Mapping[str, str]
    evidence: Evidence


@dataclass(frozen=True)
class ReportExperiments:
    """Makes the report; nothing is fitted or measured for it, but by the notebooks in it."""

    results: ResultStore
    load: LoadModel
    plotter: Plotter
    notebooks: Callable[[], Notebooks]

    def __call__(self, notebooks: str | None = None) -> Drawn:
        """Return the report on the last experiments, with the notebooks of a folder at its end.

        Raises:
            NotFound: there were none, or there is no notebook in the folder.
            InvalidData, Unavailable: a notebook cannot be run to its end.
        """
        found = self.results.get(RESULTS)
        if found is None:
            raise NotFound("there are no results of experiments; run `modelport experiments run`")
        seeds = self.results.get(SEEDS)
        name, digest = str(found["model"]), found["data"]["sha256"]
        known = [
            (version, manifest)
            for version, manifest in self._registered(name)
            if manifest.data.sha256 == digest
        ]
        champion = resolved(self.load.store, ModelRef(name))
        in_use = [m for version, m in known if champion and version.number == champion.number]
        evidence = Evidence(
            results=found,
            openings=_openings(known, found["plan"]),
            seeds=seeds if seeds and seeds["data"]["sha256"] == digest else None,
            uncertainty=json_value(in_use[0].uncertainty) if in_use else None,
        )
        report = experiment_report(evidence, notebooks)
        if notebooks is not None:
            run = self.notebooks().run(notebooks)
            sections = (notebook.section(number) for number, notebook in enumerate(run, 1))
            report = replace(report, sections=(*report.sections, *sections))
        drawn = {figure.name: self.plotter.draw(figure) for figure in report.figures}
        return Drawn(report, drawn, evidence)

    def _registered(self, name: str) -> list[tuple[ModelVersion, Manifest]]:
        """Return every version that is whole: each of them was judged by a hold-out."""
        store, found = self.load.store, []
        try:
            versions: Sequence[ModelVersion] = store.versions(name)
        except NotFound:
            return []
        for version in versions:
            try:
                found.append(
                    (
                        version,
                        store.load(version).verified(version.bundle_id, self.load.read_manifest),
                    )
                )
            except ArtefactRejected:
                continue
        return found


def _openings(
    known: Sequence[tuple[ModelVersion, Manifest]], plan: Mapping[str, Any]
) -> tuple[Opening, ...]:
    return tuple(
        Opening(
            version.label,
            manifest.training.to_mapping(),
            manifest.metrics.rmse,
            tuple(sorted(version.aliases)),
        )
        for version, manifest in known
        if (manifest.split.holdout, manifest.split.seed) == (plan["holdout"], plan["seed"])
    )


def figures_of(evidence: Evidence) -> dict[str, Any]:
    """Return the figures to be compared from one commit to the next, as JSON values."""
    opening = evidence.opened_by(evidence.chosen)
    return {
        "chosen": evidence.results["chosen"],
        "cv_rmse": {step["name"]: step["rmse"] for step in evidence.results["steps"]},
        "holdout_rmse": None if opening is None else opening.rmse,
        "mean_rmse_of_seeds": evidence.seeds and evidence.seeds["mean"],
    }
