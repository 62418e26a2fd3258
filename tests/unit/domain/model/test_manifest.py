import json
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical_json import json_bytes
from domain.data.feature import Feature, Kind
from domain.data.schema import Schema, Target
from domain.data.split import Split
from domain.errors import ArtefactRejected, Misconfigured
from domain.model.bundle import Bundle
from domain.model.manifest import Manifest
from domain.model.reference import ModelRef, ModelVersion
from domain.training.specification import TrainingSpec
from tests.support.strategies import MODEL_NAMES, schemas

SCHEMA = Schema("houses", Target("price"), (Feature("age", Kind.NUMBER, "Jahre ½"),))
MANIFEST = Manifest(
    name="houses",
    schema=SCHEMA,
    training=TrainingSpec(split=Split(0.25, 7)).to_mapping(),
    metrics={"rmse": 1.5, "mae": 1.0, "r2": 0.5, "rows": 3},
    data={"sha256": "a" * 64, "md5": None, "rows": 12, "simulated": False},
    parity=0.0,
    code={"revision": "abc"},
    libraries={"numpy": "2", "a": "1"},
)
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


@given(schemas(), st.dictionaries(st.text(max_size=3), st.floats(-1e9, 1e9), max_size=3))
def test_a_manifest_comes_back_from_its_bytes(schema: Schema, metrics: dict[str, float]) -> None:
    metrics = {name.encode("utf-8", "ignore").decode(): value for name, value in metrics.items()}
    manifest = replace(MANIFEST, name=schema.name, schema=schema, metrics=metrics)
    again = Manifest.from_bytes(manifest.to_bytes())
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


def test_a_manifest_says_what_is_known_of_the_intervals() -> None:
    known = {"level": 0.9, "coverage": 0.91, "segments": [{"by": "place", "segment": "sea"}]}
    manifest = replace(MANIFEST, uncertainty=known)
    assert Manifest.from_bytes(manifest.to_bytes()).uncertainty == known
    assert Manifest.from_bytes(MANIFEST.to_bytes()).uncertainty is None


def test_a_manifest_from_before_there_were_intervals_can_be_read() -> None:
    assert Manifest.from_bytes(_changed(format=1)) == MANIFEST


def test_a_manifest_knows_which_rows_the_model_has_not_seen() -> None:
    assert Manifest.from_bytes(MANIFEST.to_bytes()).split == Split(0.25, 7)


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
        (b"{}", "manifest.json: format: is missing"),
        (_changed(format=3), "manifest.json: format 3 is not known; allowed: 1, 2"),
        (_changed(format="1"), "manifest.json: format: expected an integer"),
        (_changed(format=True), "manifest.json: format: expected an integer"),
        (_changed(name=None), "manifest.json: name: expected text"),
        (_changed(schema=[]), "manifest.json: schema: expected a table"),
        (_changed(schema={}), "manifest.json: schema: name: is missing"),
        (_changed(parity=10**400), "manifest.json: parity: is beyond the largest number"),
        (_changed(parity="0"), "manifest.json: parity: expected a number"),
        (_changed(uncertainty=[]), "manifest.json: uncertainty: expected a table"),
        (_changed(files=[]), "manifest.json: files: expected a table"),
        (_changed(signature="x"), "manifest.json: unknown key 'signature'"),
    ],
)
def test_what_is_no_manifest_is_rejected(content: bytes, why: str) -> None:
    with pytest.raises(ArtefactRejected) as error:
        Manifest.from_bytes(content)
    assert str(error.value).startswith(why)


def test_a_sealed_bundle_verifies_and_vouches_for_every_file() -> None:
    manifest = BUNDLE.verified(BUNDLE.id)
    assert manifest == replace(MANIFEST, files=manifest.files)
    assert manifest.files == {n: sha256(content).hexdigest() for n, content in FILES.items()}


@given(st.sampled_from([*FILES, Bundle.MANIFEST]), st.data())
def test_a_changed_byte_in_any_file_is_rejected(name: str, data: st.DataObject) -> None:
    content = bytearray(BUNDLE.files[name] or b"\x00")
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    tampered = Bundle({**BUNDLE.files, name: bytes(content)})
    with pytest.raises(ArtefactRejected) as error:
        tampered.verified(BUNDLE.id)
    assert str(error.value).startswith(name)
    assert "SHA-256" in str(error.value)


@pytest.mark.parametrize("name", sorted(BUNDLE.files))
def test_a_missing_file_is_rejected_by_name(name: str) -> None:
    files = {other: content for other, content in BUNDLE.files.items() if other != name}
    with pytest.raises(ArtefactRejected, match=name):
        Bundle(files).verified(BUNDLE.id)


def test_a_file_that_does_not_belong_there_is_rejected_by_name() -> None:
    with pytest.raises(ArtefactRejected, match=r"has too many: payload\.pkl"):
        Bundle({**BUNDLE.files, "payload.pkl": b"x"}).verified(BUNDLE.id)


def test_the_files_of_another_version_are_rejected() -> None:
    other = Bundle.seal(replace(MANIFEST, parity=1e-12), FILES)
    assert other.id != BUNDLE.id
    with pytest.raises(
        ArtefactRejected, match=r"^manifest\.json is not the one that was registered"
    ):
        other.verified(BUNDLE.id)


@pytest.mark.parametrize("content", [b"", b"not json", b"[" * 100_000, b"\xff", _changed(format=3)])
def test_no_parser_sees_a_manifest_before_its_checksum_is_right(content: bytes) -> None:
    forged = Bundle({**BUNDLE.files, Bundle.MANIFEST: content})
    with pytest.raises(ArtefactRejected, match=r"is not the one that was registered: its SHA-256"):
        forged.verified(BUNDLE.id)
    with pytest.raises(ArtefactRejected, match=r"^manifest\.json( is not JSON|: format 3)"):
        forged.verified(forged.id)


def test_json_holds_no_value_that_is_not_json() -> None:
    with pytest.raises(ValueError, match=r"not JSON compliant"):
        json_bytes({"rmse": float("nan")})
