from ipaddress import ip_network
from pathlib import Path

import pytest

from domain.errors import Misconfigured
from entrypoints.wiring.settings import (
    REFERENCE_SHA256,
    REFERENCE_URL,
    Accelerators,
    AccessLogKind,
    EngineKind,
    LogFormat,
    Settings,
    StoreKind,
    TracesKind,
    TrackerKind,
    Variant,
    descriptions,
    load_settings,
    variables,
)

# What each setting is given, and what it is read as.
GIVEN: dict[str, tuple[str, object]] = {
    "root_path": ("/models/housing", "/models/housing"),
    "trusted_proxies": ("10.0.0.0/8, ::1", (ip_network("10.0.0.0/8"), ip_network("::1"))),
    "variant": ("api-baseline", Variant.API_BASELINE),
    "tracker": ("none", TrackerKind.NONE),
    "tracker_url": ("sqlite:///r.db", "sqlite:///r.db"),
    "model_store": ("file", StoreKind.FILE),
    "data": ("sample:10", "sample:10"),
    "data_url": ("file:///h.csv", "file:///h.csv"),
    "data_sha256": ("0" * 64, "0" * 64),
    "schema_file": ("other.toml", Path("other.toml")),
    "home": ("/elsewhere", Path("/elsewhere")),
    "model": ("housing/3", "housing/3"),
    "engine": ("ray", EngineKind.RAY),
    "ray_address": ("10.0.0.7:6379", "10.0.0.7:6379"),
    "gate_margin": ("0.02", 0.02),
    "gate_confidence": ("0.9", 0.9),
    "gate_segment_margin": ("0.1", 0.1),
    "gate_segment_rows": ("50", 50),
    "latency_budget_ms": ("2.5", 2.5),
    "accelerators": ("none", Accelerators.NONE),
    "actor": ("ada", "ada"),
    "poll_seconds": ("0.5", 0.5),
    "max_rows": ("7", 7),
    "max_explained_rows": ("3", 3),
    "max_explanations_in_flight": ("3", 3),
    "max_body_bytes": ("99", 99),
    "api_keys_file": ("keys.json", Path("keys.json")),
    "signing_key": ("release.pem", Path("release.pem")),
    "traces": ("otlp", TracesKind.OTLP),
    "trusted_keys": ("trusted", Path("trusted")),
    "max_in_flight": ("8", 8),
    "header_seconds": ("2.5", 2.5),
    "body_seconds": ("7", 7.0),
    "keep_alive_seconds": ("9", 9),
    "access_log": ("none", AccessLogKind.NONE),
    "log_format": ("json", LogFormat.JSON),
    "metrics_dir": ("/tmp/metrics", Path("/tmp/metrics")),
    "mlflow_tracking_uri": ("http://mlflow:5000", "http://mlflow:5000"),
    "mlflow_tracking_token": ("sesame", "sesame"),
}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in variables().values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()
    assert settings.variant is Variant.MAIN
    assert (settings.tracker_kind, settings.store_kind) == (TrackerKind.MLFLOW, StoreKind.MLFLOW)
    assert settings.data is None
    assert (settings.data_url, settings.data_sha256) == (REFERENCE_URL, REFERENCE_SHA256)
    assert settings.schema_file == Path("data/housing.toml")
    assert settings.home == Path("artifacts")
    assert settings.model is None
    assert settings.engine is EngineKind.LOCAL
    assert settings.mlflow_uri == "sqlite:///artifacts/mlflow.db"
    assert settings.runs_url == "sqlite:///artifacts/runs.db"


def test_the_names_of_the_variables_are_those_of_the_contract() -> None:
    named = {*variables().values()}
    assert {
        "MODELPORT_VARIANT",
        "MODELPORT_TRACKER",
        "MODELPORT_MODEL_STORE",
        "MODELPORT_DATA",
        "MODELPORT_DATA_URL",
        "MODELPORT_DATA_SHA256",
        "MODELPORT_SCHEMA",
        "MODELPORT_HOME",
        "MODELPORT_MODEL",
        "MODELPORT_ENGINE",
        "RAY_ADDRESS",
        "MLFLOW_TRACKING_URI",
    } <= named


def test_every_setting_has_a_description() -> None:
    assert {*GIVEN} == {*variables()}
    described = descriptions()
    assert {*described} == {*Settings.model_fields}
    for name, text in described.items():
        assert text.endswith("."), name


@pytest.mark.parametrize("name", GIVEN)
def test_every_setting_is_read_from_its_variable(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, value = GIVEN[name]
    assert getattr(load_settings(), name) != value
    monkeypatch.setenv(variables()[name], text)
    assert getattr(load_settings(), name) == value


@pytest.mark.parametrize("name", GIVEN)
def test_every_setting_is_read_from_a_dotenv_file(name: str) -> None:
    text, value = GIVEN[name]
    Path(".env").write_text(f"# mine\n{variables()[name]}={text}\n")
    assert getattr(load_settings(), name) == value


def test_a_variable_wins_over_the_dotenv_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("MODELPORT_TRACKER=sql\nMODELPORT_MAX_ROWS=5\n")
    monkeypatch.setenv("MODELPORT_TRACKER", "file")
    settings = load_settings()
    assert (settings.tracker, settings.max_rows) == (TrackerKind.FILE, 5)


def test_an_option_wins_over_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPORT_MODEL", "housing/1")
    monkeypatch.setenv("MODELPORT_SCHEMA", "one.toml")
    settings = load_settings({"model": "housing/2", "schema_file": Path("two.toml")})
    assert (settings.model, settings.schema_file) == ("housing/2", Path("two.toml"))


def test_a_schema_given_as_an_option_wins_over_the_model_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODELPORT_MODEL", "housing/1")
    assert load_settings({"schema_file": Path("two.toml")}).model is None
    given = {"schema_file": Path("two.toml"), "model": "two/3"}
    assert load_settings(given).model == "two/3"


def test_an_option_not_given_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPORT_MODEL", "housing/1")
    assert load_settings({"model": None}).model == "housing/1"


@pytest.mark.parametrize("name", GIVEN)
def test_an_empty_variable_counts_as_unset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variables()[name], "")
    assert load_settings() == Settings()


def test_an_empty_variable_overrides_the_dotenv_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("MODELPORT_VARIANT=api-baseline\n")
    monkeypatch.setenv("MODELPORT_VARIANT", "")
    assert load_settings().variant is Variant.MAIN


@pytest.mark.parametrize(
    ("variant", "tracker", "store"),
    [
        (Variant.MAIN, TrackerKind.MLFLOW, StoreKind.MLFLOW),
        (Variant.API_BASELINE, TrackerKind.FILE, StoreKind.FILE),
    ],
)
def test_a_variant_is_a_preset_that_single_settings_override(
    variant: Variant, tracker: TrackerKind, store: StoreKind
) -> None:
    preset = Settings(variant=variant)
    assert (preset.tracker_kind, preset.store_kind) == (tracker, store)
    other = Settings(variant=variant, tracker=TrackerKind.NONE)
    assert (other.tracker_kind, other.store_kind) == (TrackerKind.NONE, store)


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("MODELPORT_VARIANT", "api-baselin", "'main' or 'api-baseline'"),
        ("MODELPORT_TRACKER", "mlfow", "'mlflow', 'file', 'sql' or 'none'"),
        ("MODELPORT_MODEL_STORE", "sql", "'mlflow', 'file' or 'http'"),
        ("MODELPORT_POLL_SECONDS", "0", "greater than 0"),
        ("MODELPORT_POLL_SECONDS", "nan", "less than or equal to 86400"),
        ("MODELPORT_POLL_SECONDS", "often", "allowed: a number"),
        ("MODELPORT_MAX_ROWS", "many", "allowed: an integer"),
        ("MODELPORT_MAX_ROWS", "1.5", "allowed: an integer"),
        ("MODELPORT_MAX_ROWS", "9" * 5000, "allowed: a smaller integer"),
        ("MODELPORT_MAX_ROWS", "0", "greater than or equal to 1"),
        ("MODELPORT_ACCELERATORS", "some", "'all' or 'none'"),
        ("MODELPORT_DATA_SHA256", "abc", "64 digits from 0 to f"),
    ],
)
def test_a_misspelt_value_is_refused_and_the_valid_ones_named(
    variable: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Misconfigured) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{variable}: ")
    assert allowed in str(caught.value)


def test_the_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "sesame")
    settings = load_settings()
    assert settings.mlflow_tracking_token == "sesame"
    assert "sesame" not in repr(settings)
    assert "sesame" not in str(settings)


def test_registries_are_distinguished_by_address_without_user() -> None:
    def registry(uri: str, store: StoreKind) -> str:
        given = {"MLFLOW_TRACKING_URI": uri, "model_store": store}
        return Settings.model_validate(given).registry

    here = registry("https://ann:sesame@mlflow:5000/x", StoreKind.HTTP)
    assert here == registry("https://mlflow:5000/x", StoreKind.MLFLOW) == "https://mlflow:5000/x"
    assert registry("https://mlflow:5001/x", StoreKind.HTTP) != here
    assert registry("https://mlflow:5000/x", StoreKind.FILE) != here


def test_all_wrong_values_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPORT_VARIANT", "x")
    monkeypatch.setenv("MODELPORT_TRACKER", "y")
    with pytest.raises(Misconfigured, match=r"(?s)MODELPORT_VARIANT.*MODELPORT_TRACKER"):
        load_settings()


def test_an_unknown_name_is_refused_with_the_closest_known_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODELPORT_VARIENT", "main")
    with pytest.raises(
        Misconfigured,
        match=r"^unknown setting MODELPORT_VARIENT; did you mean MODELPORT_VARIANT\?$",
    ):
        load_settings()


def test_an_unknown_name_in_the_dotenv_file_is_refused() -> None:
    Path(".env").write_text("MODELPORT_HOMES=x\nMODELPORT_TRACKR=file\n")
    with pytest.raises(Misconfigured) as caught:
        load_settings()
    assert "MODELPORT_HOMES; did you mean MODELPORT_HOME?" in str(caught.value)
    assert "MODELPORT_TRACKR; did you mean MODELPORT_TRACKER?" in str(caught.value)


def test_a_name_unlike_any_setting_is_refused_with_the_list_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODELPORT_ZZZZZZZZZZZZZZZZ", "secret")
    with pytest.raises(Misconfigured) as caught:
        load_settings()
    assert all(variable in str(caught.value) for variable in variables().values())
    assert "secret" not in str(caught.value)


def test_variables_of_other_programs_are_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("DATABASE_PASSWORD=x\n")
    monkeypatch.setenv("SOME_VARIANT", "x")
    assert load_settings() == Settings()


def test_an_invalid_model_reference_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPORT_MODEL", "housing//3")
    with pytest.raises(Misconfigured, match="not a model reference"):
        load_settings()


def test_urls_that_may_hold_a_password_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tracker_url", "data", "data_url", "mlflow_tracking_uri"):
        monkeypatch.setenv(variables()[name], "postgresql://me:open-sesame@host/db")
    monkeypatch.setenv("MODELPORT_MAX_ROWS", "x")
    with pytest.raises(Misconfigured) as caught:
        load_settings()
    assert "sesame" not in str(caught.value)


def test_an_unreadable_dotenv_file_is_refused() -> None:
    Path(".env").write_bytes(b"MODELPORT_MODEL=\xff\xfe\n")
    with pytest.raises(Misconfigured, match=r"^\.env cannot be read"):
        load_settings()


def test_databases_are_in_the_home_folder_by_default() -> None:
    settings = Settings(home=Path("/h"))
    assert settings.mlflow_uri == "sqlite:////h/mlflow.db"
    assert settings.runs_url == "sqlite:////h/runs.db"
    assert Settings(tracker_url="sqlite:///x.db").runs_url == "sqlite:///x.db"
    assert Settings.model_validate({"MLFLOW_TRACKING_URI": "http://m"}).mlflow_uri == "http://m"
