import json
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.manifest_file import read_manifest
from domain.canonical_json import json_bytes
from domain.data.dataset import DatasetIdentity
from domain.data.feature import Feature, Kind
from domain.data.schema import Schema, Target
from domain.data.split import Split
from domain.errors import ArtefactRejected, Misconfigured
from domain.evaluation.assessment import Evaluation, MetricIntervals, SegmentErrors
from domain.evaluation.metrics import Metrics
from domain.features.feature_set import FeatureSet
from domain.model.bundle import Bundle
from domain.model.manifest import CodeVersion, Manifest
from domain.model.reference import ModelRef, ModelVersion
from domain.training.specification import TrainingSpec
from domain.uncertainty.coverage import Coverage, LevelCoverage, SegmentCoverage, Uncertainty
from tests.support.strategies import MODEL_NAMES, schemas

SCHEMA = Schema("houses", Target("price"), (Feature("age", Kind.NUMBER, "Jahre ½"),))
MANIFEST = Manifest(
    name="houses",
    schema=SCHEMA,
    training=TrainingSpec(
        parameters={"max_iter": 9, "scoring": None},
        split=Split(0.25, 7),
        features=FeatureSet.PLAIN,
    ),
    metrics=Metrics(rmse=1.5, mae=1.0, r2=0.5, rows=3),
    data=DatasetIdentity("a" * 64, None, 12, False),
    parity=0.0,
    code=CodeVersion("1.0", "abc"),
    libraries={"numpy": "2", "a": "1"},
)
COVERAGE = Coverage(12, 0.75, 3.0)
UNCERTAINTY = Uncertainty(
    method="conformal",
    guarantee="approximate",
    scores=40,
    level=0.9,
    rows=12,
    coverage=0.75,
    width=3.0,
    constant=COVERAGE,
    narrower=0.1,
    levels=(LevelCoverage(0.5, 0.7, 12, 0.75, 3.0),),
    segments=(SegmentCoverage("place", "sea", 12, 0.75, 3.0),),
)
EVALUATION = Evaluation(
    confidence=0.95,
    resamples=200,
    intervals=MetricIntervals((1.0, 2.0), (0.5, 1.5), (0.4, 0.6)),
    segments=(SegmentErrors("place", "sea", 3, 1.5, 1.0, 2.0, 1.2),),
)
FLOATS = st.floats(-1e9, 1e9)
FILES = {"model.onnx": b"\x00model", "golden.json": b"{}", "empty": b""}
BUNDLE = Bundle.seal(MANIFEST, FILES)


@given(MODEL_NAMES, MODEL_NAMES, st.integers(1, 10**18 - 1))
def test_a_reference_comes_back_from_its_text(name: str, alias: str, number: int) -> None:
    for ref in (ModelRef(name), ModelRef(name, alias), ModelRef(name, None, number)):
        assert ModelRef.parse(str(ref)) == ref
    assert ModelRef.parse(name) == ModelRef(name, "champion")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "/",
        "housing@",
        "@champion",
        "housing/",
        "/7",
        "housing/0",
        "housing/007",
        "housing/-1",
        "housing/+1",
        "housing/1.0",
        "housing/seven",
        "housing/٧",
        "housing/ 7",
        "housing/1" + "0" * 18,
        "housing/7/8",
        "housing@a@b",
        "housing@a/7",
        "housing/7@a",
        "../housing",
        "hou sing",
        "7housing",
        " housing",
        "housing\n",
        "housing@champion\n",
        "häuser",
        ".hidden",
    ],
)
def test_another_text_is_no_reference(text: str) -> None:
    with pytest.raises(Misconfigured) as error:
        ModelRef.parse(text)
    assert str(error.value) == (
        f"{text!r} is not a model reference; "
        f"allowed: NAME (its champion), NAME@ALIAS or NAME/VERSION, such as housing/7"
    )


@pytest.mark.parametrize(
    ("alias", "number"), [(None, None), ("champion", 7), ("", None), (None, 0), (None, -3)]
)
def test_a_reference_has_an_alias_or_a_number(alias: str | None, number: int | None) -> None:
    with pytest.raises(Misconfigured, match=r"is not a model reference"):
        ModelRef("housing", alias, number)


def test_a_version_is_labelled_by_a_reference_to_it() -> None:
    version = ModelVersion("housing", 7, "b" * 64, datetime(2024, 1, 1, tzinfo=UTC))
    assert ModelRef.parse(version.label) == ModelRef("housing", None, 7)


@given(schemas(), st.builds(Metrics, FLOATS, FLOATS, FLOATS, st.integers(1, 10**9)))
def test_a_manifest_comes_back_from_its_bytes(schema: Schema, metrics: Metrics) -> None:
    manifest = replace(MANIFEST, name=schema.name, schema=schema, metrics=metrics)
    again = read_manifest(manifest.to_bytes())
    assert again == manifest
    assert again.to_bytes() == manifest.to_bytes()


def test_the_bytes_of_a_manifest_do_not_depend_on_the_order_of_libraries_and_files() -> None:
    one = replace(MANIFEST, libraries={"a": "1", "b": "2"}, files={"x": "1", "y": "2"})
    other = replace(MANIFEST, libraries={"b": "2", "a": "1"}, files={"y": "2", "x": "1"})
    assert one.to_bytes() == other.to_bytes()
    reordered = dict(reversed(FILES.items()))
    assert Bundle.seal(MANIFEST, reordered).id == BUNDLE.id


def test_a_manifest_is_readable_text_that_ends_in_a_newline() -> None:
    text = MANIFEST.to_bytes().decode()
    assert "Jahre ½" in text
    assert text.endswith("}\n")
    assert json.loads(text)["format"] == 2


def test_a_manifest_records_intervals_and_errors_by_segment() -> None:
    manifest = replace(MANIFEST, uncertainty=UNCERTAINTY, evaluation=EVALUATION)
    again = read_manifest(manifest.to_bytes())
    assert (again.uncertainty, again.evaluation) == (UNCERTAINTY, EVALUATION)
    assert again.to_bytes() == manifest.to_bytes()
    plain = read_manifest(MANIFEST.to_bytes())
    assert (plain.uncertainty, plain.evaluation) == (None, None)


def test_the_keys_of_a_manifest_stay_what_they_are() -> None:
    kept = json.loads(replace(MANIFEST, uncertainty=UNCERTAINTY, evaluation=EVALUATION).to_bytes())
    assert [*kept] == [
        *("format", "name", "schema", "training", "metrics", "data", "parity"),
        *("uncertainty", "evaluation", "code", "libraries", "files"),
    ]
    assert kept["training"] == {
        "estimator": "hist_gradient_boosting",
        "parameters": {"max_iter": 9, "scoring": None},
        "features": "plain",
        "holdout": 0.25,
        "validation": 0.0,
        "seed": 7,
    }
    assert kept["data"] == {"sha256": "a" * 64, "md5": None, "rows": 12, "simulated": False}
    assert kept["metrics"] == {"rmse": 1.5, "mae": 1.0, "r2": 0.5, "rows": 3}
    assert kept["code"] == {"modelport": "1.0", "revision": "abc", "changed": None}
    coverage = {"rows": 12, "coverage": 0.75, "width": 3.0}
    assert kept["uncertainty"] == {
        "method": "conformal",
        "guarantee": "approximate",
        "scores": 40,
        "level": 0.9,
        **coverage,
        "constant": coverage,
        "narrower": 0.1,
        "levels": [{"level": 0.5, "quantile": 0.7, **coverage}],
        "segments": [{"by": "place", "segment": "sea", **coverage}],
    }
    errors = {"rmse": 1.5, "low": 1.0, "high": 2.0, "mae": 1.2}
    assert kept["evaluation"] == {
        "confidence": 0.95,
        "resamples": 200,
        "intervals": {"rmse": [1.0, 2.0], "mae": [0.5, 1.5], "r2": [0.4, 0.6]},
        "segments": [{"by": "place", "segment": "sea", "rows": 3, **errors}],
    }


def test_a_manifest_from_before_there_were_intervals_can_be_read() -> None:
    assert read_manifest(_changed(format=1)) == MANIFEST


def test_a_manifest_knows_which_rows_the_model_has_not_seen() -> None:
    assert read_manifest(MANIFEST.to_bytes()).split == Split(0.25, 7)


def test_the_details_tell_versions_apart() -> None:
    assert MANIFEST.details() == {
        "estimator": "hist_gradient_boosting",
        "rmse": "1.500000",
        "r2": "0.500000",
        "data.sha256": "a" * 64,
        "data.md5": "",
        "data.simulated": "false",
        "code.revision": "abc",
    }


def _changed(**changes: Any) -> bytes:
    return json_bytes({**json.loads(MANIFEST.to_bytes()), **changes})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "manifest.json is not JSON"),
        (b"\xff\xfe", "manifest.json is not JSON"),
        (b"{", "manifest.json is not JSON"),
        (b"[" * 100_000, "manifest.json is not JSON"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "manifest.json is not JSON"),
        (b'{"format": 1' + b"0" * 5000 + b"}", "manifest.json is not JSON"),
        (b"[]", "manifest.json: expected a table"),
        (b"null", "manifest.json: expected a table"),
        (b"{}", "manifest.json: name: is missing"),
        (_changed(format=3), "manifest.json: format 3 is not known; allowed: 1, 2"),
        (_changed(format="1"), "manifest.json: format: expected an integer"),
        (_changed(format=True), "manifest.json: format: expected an integer"),
        (_changed(name=None), "manifest.json: name: expected text"),
        (_changed(schema=[]), "manifest.json: schema: expected a table"),
        (_changed(schema={}), "manifest.json: schema.name: is missing"),
        (_changed(parity=10**400), "manifest.json: parity: expected a number"),
        (_changed(parity="0"), "manifest.json: parity: expected a number"),
        (_changed(uncertainty=[]), "manifest.json: uncertainty: expected a table"),
        (_changed(training={}), "manifest.json: training.estimator: is missing"),
        (_changed(training={"seed": 7, "hold_out": 0.2}), "manifest.json: training: unknown key"),
        (_changed(metrics={"rmse": "1"}), "manifest.json: metrics.rmse: expected a number"),
        (_changed(data={"sha256": 1}), "manifest.json: data.sha256: expected text"),
        (_changed(files=[]), "manifest.json: files: expected a table"),
        (_changed(signature="x"), "manifest.json: unknown key 'signature'"),
    ],
)
def test_what_is_no_manifest_is_rejected(content: bytes, why: str) -> None:
    with pytest.raises(ArtefactRejected) as error:
        read_manifest(content)
    assert str(error.value).startswith(why)


def test_a_sealed_bundle_verifies_and_vouches_for_every_file() -> None:
    manifest = BUNDLE.verified(BUNDLE.id, read_manifest)
    assert manifest == replace(MANIFEST, files=manifest.files)
    assert manifest.files == {n: sha256(content).hexdigest() for n, content in FILES.items()}


@given(st.sampled_from([*FILES, Bundle.MANIFEST]), st.data())
def test_a_changed_byte_in_any_file_is_rejected(name: str, data: st.DataObject) -> None:
    content = bytearray(BUNDLE.files[name] or b"\x00")
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    tampered = Bundle({**BUNDLE.files, name: bytes(content)})
    with pytest.raises(ArtefactRejected) as error:
        tampered.verified(BUNDLE.id, read_manifest)
    assert str(error.value).startswith(name)
    assert "SHA-256" in str(error.value)


@pytest.mark.parametrize("name", sorted(BUNDLE.files))
def test_a_missing_file_is_rejected_by_name(name: str) -> None:
    files = {other: content for other, content in BUNDLE.files.items() if other != name}
    with pytest.raises(ArtefactRejected, match=name):
        Bundle(files).verified(BUNDLE.id, read_manifest)


def test_a_file_that_does_not_belong_there_is_rejected_by_name() -> None:
    with pytest.raises(ArtefactRejected, match=r"has too many: payload\.pkl"):
        Bundle({**BUNDLE.files, "payload.pkl": b"x"}).verified(BUNDLE.id, read_manifest)


def test_the_files_of_another_version_are_rejected() -> None:
    other = Bundle.seal(replace(MANIFEST, parity=1e-12), FILES)
    assert other.id != BUNDLE.id
    with pytest.raises(
        ArtefactRejected, match=r"^manifest\.json is not the one that was registered"
    ):
        other.verified(BUNDLE.id, read_manifest)


@pytest.mark.parametrize("content", [b"", b"not json", b"[" * 100_000, b"\xff", _changed(format=3)])
def test_no_parser_sees_a_manifest_before_its_checksum_is_right(content: bytes) -> None:
    forged = Bundle({**BUNDLE.files, Bundle.MANIFEST: content})
    with pytest.raises(ArtefactRejected, match=r"is not the one that was registered: its SHA-256"):
        forged.verified(BUNDLE.id, read_manifest)
    with pytest.raises(ArtefactRejected, match=r"^manifest\.json( is not JSON|: format 3)"):
        forged.verified(forged.id, read_manifest)


def test_json_holds_no_value_that_is_not_json() -> None:
    with pytest.raises(ValueError, match=r"not JSON compliant"):
        json_bytes({"rmse": float("nan")})
