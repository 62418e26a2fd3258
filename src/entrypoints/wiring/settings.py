"""All settings, read from environment variables, else from a `.env` file in the working directory.

No other module reads the environment.
"""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Network
from itertools import pairwise
from os import environ
from pathlib import Path
from typing import Annotated, Any

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    ValidationError,
)
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
    """Presets for the ports."""

    MAIN = "main"
    API_BASELINE = "api-baseline"


class TrackerKind(StrEnum):
    """Where runs are recorded."""

    MLFLOW = "mlflow"
    FILE = "file"
    SQL = "sql"
    NONE = "none"


class StoreKind(StrEnum):
    """Where model versions are stored."""

    MLFLOW = "mlflow"
    FILE = "file"
    HTTP = "http"


class EngineKind(StrEnum):
    """Where batch jobs run."""

    LOCAL = "local"
    RAY = "ray"


class AccessLogKind(StrEnum):
    """How each request is logged."""

    JSON = "json"
    NONE = "none"


class TracesKind(StrEnum):
    """Where spans are sent."""

    NONE = "none"
    OTLP = "otlp"


class Accelerators(StrEnum):
    """Which accelerators are used; the ordinary path gives the same answers without them."""

    ALL = "all"
    NONE = "none"


class LogFormat(StrEnum):
    """Format of the server's log."""

    TEXT = "text"
    JSON = "json"


_SHA256 = "^[0-9a-f]{64}$"
_ROOT_PATH = "^(/[A-Za-z0-9_.~-]+)*$"

# What is allowed, by the pattern or the type of an error of pydantic, where its message is longer.
_ALLOWED = {
    "float_parsing": "a number",
    "int_parsing": "an integer",
    "int_parsing_size": "a smaller integer",
    "ip_any_network": "addresses and networks such as 10.0.0.0/8, separated by commas",
    _SHA256: "64 digits from 0 to f",
    _ROOT_PATH: "a path such as /models/housing, without a slash at its end",
}

_PRESETS = {
    Variant.MAIN: (TrackerKind.MLFLOW, StoreKind.MLFLOW),
    Variant.API_BASELINE: (TrackerKind.FILE, StoreKind.FILE),
}


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class Settings(BaseModel):
    """All settings; the docstring of a field describes it, also in the reference pages."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: PREFIX + name.upper(),
        populate_by_name=True,
    )

    variant: Variant = Variant.MAIN
    """Preset for tracker and model store."""

    tracker: TrackerKind | None = None
    """Where runs are recorded; unset: as in the variant."""

    tracker_url: str | None = None
    """Database of the `sql` tracker as a SQLAlchemy URL; unset: `runs.db` in the home folder."""

    model_store: StoreKind | None = None
    """Where model versions are stored: `http` reads the registry of an MLflow server without the
    mlflow package; unset: as in the variant."""

    data: str | None = None
    """Data URI that `train` reads; unset: the reference data."""

    data_url: str = REFERENCE_URL
    """Address from which the reference data is fetched."""

    data_sha256: Annotated[str, Field(pattern=_SHA256)] = REFERENCE_SHA256
    """SHA-256 that the reference data must have."""

    schema_file: Annotated[Path, Field(alias="MODELPORT_SCHEMA")] = Path("data/housing.toml")
    """Schema file of the table; its name is the name of the model."""

    home: Path = Path("artifacts")
    """Folder for bundles, caches and runs."""

    model: str | None = None
    """Model reference that `serve` and `predict` use; unset: the champion of the schema's name."""

    engine: EngineKind = EngineKind.LOCAL
    """Where batch jobs run: the cores of this machine, or a Ray cluster."""

    ray_address: Annotated[str, Field(alias="RAY_ADDRESS")] = "local"
    """Ray cluster of the engine `ray`: HOST:PORT, `auto` for the cluster of this machine,
    `local` to start one for the job."""

    gate_margin: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Promotion gate: how much lower the RMSE of the challenger must be, as a fraction of the
    champion's."""

    gate_confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Promotion gate: confidence of the paired comparison."""

    gate_segment_margin: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Promotion gate: how much higher the RMSE of the challenger may be in a segment of the
    hold-out, beyond noise, as a fraction of the champion's."""

    gate_segment_rows: Annotated[int, Field(ge=1)] = 100
    """Promotion gate: fewest rows of a segment that is compared."""

    latency_budget_ms: Annotated[float, Field(gt=0)] = 10.0
    """Promotion gate: longest time in milliseconds to predict one row at a new location."""

    accelerators: Accelerators = Accelerators.ALL
    """`none` uses the ordinary path only: FastAPI, ONNX Runtime, numpy and MLflow's client. The
    answers are the same, and slower."""

    actor: str | None = None
    """Who is named in the ledger for training, promotion and rollback; unset: the user of the
    process."""

    poll_seconds: Annotated[float, Field(gt=0, le=86_400)] = 5.0
    """How often a server checks whether the model reference points to another version."""

    max_rows: Annotated[int, Field(ge=1)] = 10_000
    """Most rows in one request."""

    max_explained_rows: Annotated[int, Field(ge=1)] = 100
    """Most rows in one request for explanations; a row takes about 20 milliseconds."""

    max_body_bytes: Annotated[int, Field(ge=1)] = 8_388_608
    """Most bytes in the body of a request."""

    api_keys_file: Path | None = None
    """File with the hashed API keys; unset: no authentication."""

    signing_key: Path | None = None
    """File with the private Ed25519 key that signs registered versions; unset: no signatures."""

    trusted_keys: Path | None = None
    """File or folder with public Ed25519 keys: only models signed by one of them are loaded;
    unset: signatures are not verified."""

    root_path: Annotated[str, Field(pattern=_ROOT_PATH)] = ""
    """Prefix under which a reverse proxy serves the API, for example `/models/housing`; the proxy
    removes it from the path of each request."""

    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(_split)] = (
        IPv4Network("127.0.0.1"),
    )
    """Reverse proxies whose `X-Forwarded-Prefix`, `-Host` and `-Proto` count: addresses and
    networks, separated by commas."""

    max_in_flight: Annotated[int, Field(ge=1)] = 1024
    """Most concurrent requests of a server process; further ones are answered 503."""

    max_explanations_in_flight: Annotated[int, Field(ge=1)] = 8
    """Most concurrent requests for explanations of a server process; further ones are answered
    503. They are computed one after the other in a child process."""

    header_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Timeout for the headers of a request."""

    body_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Timeout for the body of a request, and for the client to accept part of the response."""

    keep_alive_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    """How long an idle connection stays open."""

    access_log: AccessLogKind = AccessLogKind.JSON
    """Whether each request is logged as a line of JSON on stdout."""

    log_format: LogFormat = LogFormat.TEXT
    """Format of the server's log on stderr."""

    traces: TracesKind = TracesKind.NONE
    """Whether a server sends spans by OTLP over HTTP; OpenTelemetry's own variables, `OTEL_…`, say
    where to and how."""

    metrics_dir: Path | None = None
    """Folder in which the processes of one server sum their metrics; unset: `serve` creates one."""

    mlflow_tracking_uri: Annotated[str | None, Field(alias="MLFLOW_TRACKING_URI")] = None
    """MLflow's tracking and registry server or database; unset: `mlflow.db` in the home folder."""

    mlflow_tracking_token: Annotated[
        str | None, Field(alias="MLFLOW_TRACKING_TOKEN", repr=False)
    ] = None
    """Bearer token for the MLflow server."""

    @property
    def tracker_kind(self) -> TrackerKind:
        """The selected tracker."""
        return self.tracker or _PRESETS[self.variant][0]

    @property
    def store_kind(self) -> StoreKind:
        """The selected model store."""
        return self.model_store or _PRESETS[self.variant][1]

    @property
    def mlflow_uri(self) -> str:
        """The MLflow tracking URI, the default included."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.home / 'mlflow.db'}"

    @property
    def registry(self) -> str:
        """Identifies the selected model store among others of the same home; without secrets."""
        if self.store_kind is StoreKind.FILE:
            return "file"
        if self.mlflow_tracking_uri is None:
            return "mlflow.db"
        scheme, _, rest = self.mlflow_uri.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"

    @property
    def runs_url(self) -> str:
        """The database of the `sql` tracker, the default included."""
        return self.tracker_url or f"sqlite:///{self.home / 'runs.db'}"


def variables() -> dict[str, str]:
    """Return the environment variable of each field, by the field's name."""
    return {name: str(field.alias) for name, field in Settings.model_fields.items()}


def descriptions() -> dict[str, str]:
    """Return the docstring of each field, by the field's name; only documentation needs them."""
    import ast
    from inspect import cleandoc, getsource

    (tree,) = ast.parse(getsource(Settings)).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: cleandoc(docstring.value.value)
        for field, docstring in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant)
        if isinstance(docstring.value.value, str)
    }


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the environment and `.env`; values in `overrides`, by field name, win unless None.

    A schema file in `overrides` also wins over the model of the environment.

    Raises:
        Misconfigured: a value is not allowed or a name is unknown; names what is allowed.
    """
    known = variables()
    given = {**_dotenv(Path(".env")), **environ}
    _refuse_unknown(given, known.values())
    values: dict[str, Any] = {name: given[name] for name in known.values() if given.get(name)}
    chosen = {known[field]: v for field, v in (overrides or {}).items() if v is not None}
    if known["schema_file"] in chosen:
        values.pop(known["model"], None)
    values |= chosen
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise Misconfigured("\n".join(map(_explain, error.errors()))) from None
    if settings.model is not None:
        ModelRef.parse(settings.model)
    return settings


def _dotenv(path: Path) -> dict[str, str | None]:
    try:
        return dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from error


def _refuse_unknown(given: Iterable[str], known: Collection[str]) -> None:
    unknown = sorted(name for name in given if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise Misconfigured("\n".join(_unknown(name, known) for name in unknown))


def _unknown(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(sorted(known))}"
    return f"unknown setting {name}; {hint}"


def _explain(error: ErrorDetails) -> str:
    kind = error.get("ctx", {}).get("pattern", error["type"])
    allowed = _ALLOWED.get(kind) or error["msg"].removeprefix("Input should be ")
    return f"{error['loc'][0]}: {error['input']!r} is not allowed; allowed: {allowed}"
