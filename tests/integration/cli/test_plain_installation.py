"""An installation without extras: it serves, and every other command names the extra it needs."""

from pathlib import Path

import pytest

from tests.integration.http.test_server import BODY, ask
from tests.integration.program import Place, place, serving

pytestmark = pytest.mark.slow

# Every library that only an extra installs.
_HIDING = """
import sys
HIDDEN = {
    "botocore", "cryptography", "fsspec", "ipykernel", "joblib", "jupyter_client", "matplotlib",
    "mlflow", "nbclient", "nbconvert", "nbformat", "onnx", "opentelemetry.sdk", "optuna", "pandas",
    "psycopg", "pyarrow", "ray", "s3fs", "scipy", "shap", "sklearn", "skops", "sqlalchemy",
    "threadpoolctl",
}
class Hiding:
    def find_spec(self, name, path=None, target=None):
        if name in HIDDEN or name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hiding())
"""


@pytest.fixture(scope="module", params=["api-baseline", "main"])
def plain(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Place:
    folder = tmp_path_factory.mktemp(request.param)
    where = place(folder, request.param)
    where.good("train", "--data", "sample:400", "--estimator", "ridge", process=True)
    where.good("data", "sample", "--rows", "20", "--out", "rows.csv")
    (folder / "hiding").mkdir()
    (folder / "hiding/sitecustomize.py").write_text(_HIDING)
    return where.having(PYTHONPATH=str(folder / "hiding"))


@pytest.mark.parametrize(
    ("words", "extras"),
    [
        (["train", "--data", "sample:400"], ["train", "mlflow"]),
        (["demo"], ["train", "mlflow"]),
        (["evaluate", "--data", "rows.csv"], ["train"]),
        (["predict", "rows.csv", "out.csv"], ["train"]),
        (["predict", "sqlite:///x.db#t", "out.csv"], ["sql"]),
        (["predict", "s3://bucket/x.csv", "out.csv"], ["objects"]),
        (["predict", "sample:10", "out.csv", "--engine", "ray"], ["train", "ray"]),
        (["predict-one", "--explain"], ["train,explain"]),
        (["experiments", "run", "--data", "sample:400"], ["train", "experiments"]),
        (["experiments", "seeds", "--data", "sample:400"], ["train", "mlflow"]),
        (["data", "check", "rows.csv"], ["train"]),
        (["data", "sample", "--rows", "5", "--out", "x.csv"], ["train"]),
        (["signing", "create-key", "key"], ["sign"]),
    ],
)
def test_a_command_names_its_extra(plain: Place, words: list[str], extras: list[str]) -> None:
    ran = plain.run(*words)
    assert ran.code in (69, 78), ran
    assert any(f"it comes with pip install '.[{extra}]'" in ran.err for extra in extras), ran
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "words", [["predict-one"], ["models", "list"], ["models", "show", "housing"], ["--help"]]
)
def test_what_needs_no_extra_works(plain: Place, words: list[str]) -> None:
    plain.good(*words, process=True)


def test_it_serves(plain: Place) -> None:
    with serving(plain) as server:
        status, answer = ask(server, "/predict", BODY)
        assert (status, answer["model"]) == (200, "housing/1")
        assert ask(server, "/health/ready")[0] == 200


def test_a_server_names_the_extra_of_its_traces(plain: Place) -> None:
    ran = plain.having(MODELPORT_TRACES="otlp").run("serve")
    assert (ran.code, "Traceback" in ran.err) == (78, False)
    assert "it comes with pip install '.[otel]'" in ran.err


def test_a_missing_library_of_every_installation_is_named(plain: Place, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(_HIDING.replace('"scipy"', '"uvicorn"'))
    ran = plain.having(PYTHONPATH=str(tmp_path)).run("serve")
    assert (ran.code, "Traceback" in ran.err) == (78, False)
    assert "uvicorn is not installed; it comes with pip install " in ran.err
