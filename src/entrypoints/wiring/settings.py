"""Every setting of the program, in one tree, each with its default and what it means.

A setting is read from its environment variable, else from a `.env` file in the working
directory. Nothing else reads the environment.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from os import environ
from pathlib import Path
from typing import Annotated, Any

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from domain.errors import Misconfigured
from domain.model.reference import ModelRef

PREFIX = "MODELPORT_"

REFERENCE_URL = (
    "https://raw.githubusercontent.com/ageron/handson-ml2/master/datasets/housing/housing.csv"
)
REFERENCE_SHA256 = "8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e"
REFERENCE_PATH = Path("data/raw/housing.csv")


class Variant(StrEnum):
    """Presets for the ports: which stage of maturity the system runs in."""

    MAIN = "main"
    API_BASELINE = "api-baseline"


class TrackerKind(StrEnum):
    """Where runs are recorded."""

    MLFLOW = "mlflow"
    FILE = "file"
    SQL = "sql"
    NONE = "none"


class StoreKind(StrEnum):
    """Where model versions are kept."""

    MLFLOW = "mlflow"
    FILE = "file"
    HTTP = "http"


class EngineKind(StrEnum):
    """Where files and tables are scored."""

    LOCAL = "local"
    RAY = "ray"


class AccessLogKind(StrEnum):
    """What is logged of each request."""

    JSON = "json"
    NONE = "none"


class TracesKind(StrEnum):
    """Where spans go."""

    NONE = "none"
    OTLP = "otlp"


class Accelerators(StrEnum):
    """Which accelerators are used; the ordinary path gives the same answers without them."""

    ALL = "all"
    NONE = "none"


class LogFormat(StrEnum):
    """How a server writes what it has to say."""

    TEXT = "text"
    JSON = "json"


# What pydantic says at length, by its type of error.
_ALLOWED = {
    "float_parsing": "a number",
    "int_parsing": "an integer",
    "int_parsing_size": "a smaller integer",
    "string_pattern_mismatch": "64 digits from 0 to f",
}

_PRESETS = {
    Variant.MAIN: (TrackerKind.MLFLOW, StoreKind.MLFLOW),
    Variant.API_BASELINE: (TrackerKind.FILE, StoreKind.FILE),
}


class Settings(BaseModel):
    """What can be configured. The description of a field says what the setting does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Annotated[Variant, Field(description="Preset for tracker and model store.")] = (
        Variant.MAIN
    )
    tracker: Annotated[
        TrackerKind | None,
        Field(description="Where runs are recorded; unset: what the variant says."),
    ] = None
    tracker_url: Annotated[
        str | None,
        Field(
            description="Database of the `sql` tracker as a SQLAlchemy URL; "
            "unset: `runs.db` in the home folder."
        ),
    ] = None
    model_store: Annotated[
        StoreKind | None,
        Field(
            description="Where model versions are kept: `http` reads the registry of an MLflow "
            "server without the mlflow package; unset: what the variant says."
        ),
    ] = None
    data: Annotated[
        str | None,
        Field(description="Data URI that `train` reads; unset: the reference data."),
    ] = None
    data_url: Annotated[str, Field(description="Where the reference data is fetched from.")] = (
        REFERENCE_URL
    )
    data_sha256: Annotated[
        str,
        Field(description="SHA-256 that the reference data must have.", pattern="^[0-9a-f]{64}$"),
    ] = REFERENCE_SHA256
    schema_file: Annotated[
        Path, Field(alias="MODELPORT_SCHEMA", description="Schema file of the table to train on.")
    ] = Path("data/housing.toml")
    home: Annotated[Path, Field(description="Folder for bundles, caches and runs.")] = Path(
        "artifacts"
    )
    model: Annotated[
        str, Field(description="Model reference that is served and that scores files.")
    ] = "housing@champion"
    engine: Annotated[
        EngineKind,
        Field(
            description="Where files and tables are scored: the cores of this machine, or a Ray "
            "cluster."
        ),
    ] = EngineKind.LOCAL
    ray_address: Annotated[
        str,
        Field(
            alias="RAY_ADDRESS",
            description="The Ray cluster of the engine `ray`: HOST:PORT, `auto` for the one that "
            "this machine belongs to, `local` to start one here for the job.",
        ),
    ] = "local"
    gate_margin: Annotated[
        float,
        Field(
            description="How much lower than the champion's a challenger's RMSE must be, "
            "as a fraction of it.",
            ge=0,
            lt=1,
        ),
    ] = 0.0
    gate_confidence: Annotated[
        float,
        Field(description="How sure the gate must be of a difference.", ge=0.5, lt=1),
    ] = 0.95
    gate_segment_margin: Annotated[
        float,
        Field(
            description="How much higher than the champion's a challenger's RMSE may be in a "
            "segment of the hold-out, beyond noise, as a fraction of it.",
            ge=0,
            lt=1,
        ),
    ] = 0.05
    gate_segment_rows: Annotated[
        int, Field(description="Fewest rows by which the gate judges a segment.", ge=1)
    ] = 100
    latency_budget_ms: Annotated[
        float,
        Field(
            description="Longest time in milliseconds that a challenger may take for one row, "
            "also at a place that is new to it.",
            gt=0,
        ),
    ] = 10.0
    accelerators: Annotated[
        Accelerators,
        Field(
            description="`none` uses the ordinary path only: FastAPI, ONNX Runtime, numpy and "
            "MLflow's client. The answers are the same, and slower."
        ),
    ] = Accelerators.ALL
    actor: Annotated[
        str | None,
        Field(
            description="Who stands in the ledger as the one who trained, promoted or rolled "
            "back; unset: the user of the process."
        ),
    ] = None
    poll_seconds: Annotated[
        float,
        Field(
            description="How often a server asks whether the model reference means another "
            "version by now.",
            gt=0,
            le=86_400,
        ),
    ] = 5.0
    max_rows: Annotated[int, Field(description="Most rows that one request may hold.", ge=1)] = (
        10_000
    )
    max_explained_rows: Annotated[
        int,
        Field(
            description="Most rows that one request for explanations may hold: "
            "a row takes some 20 milliseconds.",
            ge=1,
        ),
    ] = 100
    max_body_bytes: Annotated[
        int, Field(description="Most bytes that a request's body may have.", ge=1)
    ] = 8_388_608
    api_keys_file: Annotated[
        Path | None,
        Field(
            description="File with the hashes of the keys that callers must show; "
            "unset: everybody may call."
        ),
    ] = None
    signing_key: Annotated[
        Path | None,
        Field(
            description="File with the private Ed25519 key that signs what is registered; "
            "unset: nothing is signed."
        ),
    ] = None
    trusted_keys: Annotated[
        Path | None,
        Field(
            description="File or folder with public Ed25519 keys: only models that one of them "
            "has signed are loaded; unset: signatures are not looked at."
        ),
    ] = None
    max_in_flight: Annotated[
        int,
        Field(
            description="Most requests that a server process works on at once; "
            "more are answered 503.",
            ge=1,
        ),
    ] = 1024
    header_seconds: Annotated[
        float,
        Field(description="Time for a caller to send the headers of a request.", gt=0, le=3600),
    ] = 10.0
    body_seconds: Annotated[
        float,
        Field(
            description="Time for a caller to send the body of a request, "
            "and to take some of the answer.",
            gt=0,
            le=3600,
        ),
    ] = 30.0
    keep_alive_seconds: Annotated[
        int,
        Field(description="How long a connection without a request stays open.", ge=1, le=3600),
    ] = 30
    access_log: Annotated[
        AccessLogKind, Field(description="Whether each request is a line of JSON on stdout.")
    ] = AccessLogKind.JSON
    log_format: Annotated[
        LogFormat, Field(description="How a server writes its log to stderr.")
    ] = LogFormat.TEXT
    traces: Annotated[
        TracesKind,
        Field(
            description="Whether a server sends spans by OTLP over HTTP; where to and how is said "
            "by OpenTelemetry's own variables, `OTEL_…`."
        ),
    ] = TracesKind.NONE
    metrics_dir: Annotated[
        Path | None,
        Field(
            description="Folder in which the processes of one server add up their metrics; "
            "`serve` makes one for itself."
        ),
    ] = None
    mlflow_tracking_uri: Annotated[
        str | None,
        Field(
            alias="MLFLOW_TRACKING_URI",
            description="MLflow's tracking and registry server or database; "
            "unset: `mlflow.db` in the home folder.",
        ),
    ] = None
    mlflow_tracking_token: Annotated[
        str | None,
        Field(
            alias="MLFLOW_TRACKING_TOKEN",
            description="Bearer token for the MLflow server.",
            repr=False,
        ),
    ] = None

    @property
    def tracker_kind(self) -> TrackerKind:
        """The tracker in force."""
        return self.tracker or _PRESETS[self.variant][0]

    @property
    def store_kind(self) -> StoreKind:
        """The model store in force."""
        return self.model_store or _PRESETS[self.variant][1]

    @property
    def mlflow_uri(self) -> str:
        """The MLflow tracking URI in force."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.home / 'mlflow.db'}"

    @property
    def registry(self) -> str:
        """What tells the model store in force from others of the same home; without secrets."""
        if self.store_kind is StoreKind.FILE:
            return "file"
        scheme, _, rest = self.mlflow_uri.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"

    @property
    def runs_url(self) -> str:
        """The database of the `sql` tracker in force."""
        return self.tracker_url or f"sqlite:///{self.home / 'runs.db'}"

    @property
    def model_ref(self) -> ModelRef:
        """The model that is served and that scores files."""
        return ModelRef.parse(self.model)


def variables() -> dict[str, str]:
    """Return the environment variable of each field, by the field's name."""
    return {
        name: field.alias or PREFIX + name.upper() for name, field in Settings.model_fields.items()
    }


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the environment and `.env`; `overrides` are field names that win where not None.

    Raises:
        Misconfigured: a value is not allowed or a name is not known; says what is.
    """
    given = {**_dotenv(Path(".env")), **environ}
    by_variable = {variable: name for name, variable in variables().items()}
    _refuse_unknown(given, by_variable)
    values: dict[str, Any] = {
        name: given[variable] for variable, name in by_variable.items() if given.get(variable)
    }
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    aliases = {name: field.alias or name for name, field in Settings.model_fields.items()}
    try:
        settings = Settings(**{aliases[name]: value for name, value in values.items()})
    except ValidationError as error:
        raise Misconfigured("\n".join(_explain(e, aliases) for e in error.errors())) from None
    ModelRef.parse(settings.model)
    return settings


def _dotenv(path: Path) -> dict[str, str | None]:
    try:
        return dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from error


def _refuse_unknown(given: Iterable[str], known: Mapping[str, str]) -> None:
    unknown = sorted(name for name in given if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise Misconfigured("\n".join(_unknown(name, known) for name in unknown))


def _unknown(name: str, known: Mapping[str, str]) -> str:
    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(sorted(known))}"
    return f"unknown setting {name}; {hint}"


def _explain(error: ErrorDetails, aliases: Mapping[str, str]) -> str:
    alias = str(error["loc"][0])
    name = next(name for name, known in aliases.items() if known == alias)
    message = _ALLOWED.get(error["type"]) or error["msg"].removeprefix("Input should be ")
    return f"{variables()[name]}: {error['input']!r} is not allowed; allowed: {message}"
