"""Errors of models, settings, stores and the terminal."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from adapters.filesystem.file_model_store import FileStore
from entrypoints.cli import main
from tests.integration.cli.files import tree
from tests.integration.processes import free_port
from tests.integration.program import PROGRAM, Place
from tests.support.waiting import wait_until


def bundle(where: Place) -> Path:
    """Return the folder of the champion's files."""
    shown = where.good("models", "show", "housing", "--json").document
    return where / "artifacts/models/bundles" / str(shown["bundle"])


@pytest.mark.parametrize(
    "name", ["manifest.json", "model.onnx", "features.json", "golden.json", "profile.json"]
)
def test_a_tampered_bundle_is_rejected(trained: Place, name: str) -> None:
    path = bundle(trained) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for command in ("predict-one", "predict {data} out.csv", "evaluate", "models show housing",
                    "models promote housing/2"):  # fmt: skip
        words = command.format(data=trained.settings["MODELPORT_DATA"]).split()
        ran = trained.call(*words, "--json")
        assert ran.code == 77, ran
        assert ran.document["error"]["detail"].startswith("housing/2: ")
        assert name in ran.err
    assert not (trained / "out.csv").exists()


def test_a_half_written_bundle_is_rejected(trained: Place) -> None:
    (bundle(trained) / "model.onnx").unlink()
    ran = trained.call("predict-one")
    assert ran.code == 77
    assert "missing files or has too many: model.onnx" in ran.err


def test_a_broken_champion_is_replaced_by_hand_and_becomes_previous(trained: Place) -> None:
    (bundle(trained) / "model.onnx").unlink()
    ran = trained.call("train", "--estimator", "dummy", "--seed", "3", "--json")
    assert ran.code == 3
    assert "housing/2 cannot be compared" in ran.document["reasons"][0]
    assert "by hand" in ran.document["reasons"][0]
    trained.good("models", "promote", "housing/3")
    assert trained.registered()[1:] == [("housing/2", ["previous"]), ("housing/3", ["champion"])]


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("MODELPORT_VARIANT", "api-baselin", "allowed: 'main' or 'api-baseline'"),
        ("MODELPORT_TRACKER", "files", "'mlflow', 'file', 'sql' or 'none'"),
        ("MODELPORT_MODEL", "housing/x", "NAME@ALIAS or NAME/VERSION"),
        ("MODELPORT_TRAKCER", "file", "did you mean MODELPORT_TRACKER?"),
    ],
)
def test_a_misspelt_setting_stops_every_command(
    trained: Place, setting: str, value: str, said: str
) -> None:
    before = tree(trained.folder)
    where = trained.having(**{setting: value})
    for command in ("train", "predict-one", "models list", "data check x.csv", "serve", "demo"):
        ran = where.call(*command.split())
        assert (ran.code, ran.out) == (78, "")
        assert said in ran.err
    assert tree(trained.folder) == before


def test_a_dotenv_file_is_read(trained: Place) -> None:
    (trained / ".env").write_text("MODELPORT_MODEL=housing/1\n")
    assert trained.good("predict-one", "--json").document["model"] == "housing/1"
    assert trained.good("predict-one", "--model", "housing", "--json").document["model"] == (
        "housing/2"
    )


def test_a_tracker_that_is_down_stops_the_training_before_it_begins(trained: Place) -> None:
    url = f"postgresql+psycopg://me:open-sesame@127.0.0.1:{free_port()}/runs"
    before = tree(trained.folder)
    where = trained.having(MODELPORT_TRACKER="sql", MODELPORT_TRACKER_URL=url)
    ran = where.call("train", "--estimator", "tree", "--json")
    assert ran.code == 69
    assert "sesame" not in ran.out + ran.err
    assert ran.document["error"]["exit_code"] == 69
    assert tree(trained.folder) == before


def test_a_registry_that_is_down_is_unavailable(trained: Place) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    before = tree(trained.folder)
    where = trained.having(MODELPORT_MODEL_STORE="mlflow", MLFLOW_TRACKING_URI=url)
    for command in ("models list", "train --estimator tree", "predict-one"):
        ran = where.run(*command.split())
        assert ran.code == 69, ran
        assert url in ran.err
        assert "Traceback" not in ran.err
    assert tree(trained.folder) == before


def test_a_home_that_cannot_be_written_is_unavailable(empty: Place) -> None:
    (empty / "file").write_text("")
    ran = empty.having(MODELPORT_HOME="file/home").call("train", "--estimator", "dummy")
    assert ran.code == 69
    assert "file/home" in ran.err


def test_a_champion_promoted_meanwhile_is_a_conflict(trained: Place) -> None:
    """The ledger is locked, so that training waits between saving its version and promoting it."""
    trained.good("models", "promote", "housing/1")
    with (trained / "artifacts/.ledger.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        training = subprocess.Popen(
            [PROGRAM, "train", "--estimator", "random_forest", "--param", "n_estimators=5"],
            cwd=trained.folder,
            env=trained.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        saved = trained / "artifacts/models/registry/housing/versions/3.json"
        wait_until(
            lambda: saved.exists() or training.poll() is not None,
            60,
            lambda: "the version is saved",
        )
        FileStore(trained / "artifacts/models").set_alias("housing", "champion", 2, 1)
        fcntl.flock(lock, fcntl.LOCK_UN)
        out, err = training.communicate(timeout=60)
    assert (training.returncode, out) == (75, ""), err
    assert "housing@champion points to version 2, not to version 1 as expected" in err
    assert trained.registered() == [
        ("housing/1", []),
        ("housing/2", ["champion", "previous"]),
        ("housing/3", []),
    ]
    decisions = trained.good("models", "history", "--json").document["decisions"]
    assert [each["outcome"] for each in decisions if each["version"] == "housing/3"] == ["conflict"]
    run = json.loads((trained / "artifacts/runs/runs.jsonl").read_text().splitlines()[-1])
    assert (run["status"], run["tags"]["promoted"]) == ("failed", "false")


class Full(StringIO):
    """A full disk."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_unexpected_exception_is_an_internal_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended, redirect_stdout(Full()):
        main(["--version"])
    assert ended.value.code == 70
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "a defect of modelport" in said


def test_a_failure_with_json_is_one_document(trained: Place) -> None:
    ran = trained.run("predict-one", "--model", "houses", "--json")
    assert ran.code == 66
    assert ran.document == {
        "error": {
            "title": "Not found",
            "detail": "no model 'houses'; there is housing",
            "exit_code": 66,
        }
    }


def _heed_interrupts() -> None:
    """Restore the handling of SIGINT, which shells disable for background commands."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_command_ends_at_once_and_leaves_no_files(trained: Place) -> None:
    before = tree(trained / "artifacts/models")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        process = subprocess.Popen(
            [PROGRAM, "train", "--data", f"http://127.0.0.1:{silent.getsockname()[1]}/slow.csv"],
            cwd=trained.folder,
            env=trained.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_heed_interrupts,  # noqa: PLW1509 - it takes no lock
        )
        waiting, _ = silent.accept()
        with waiting:
            assert waiting.recv(3) == b"GET"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in err
    assert tree(trained / "artifacts/models") == before


def test_a_closed_pipe_is_not_an_error(trained: Place) -> None:
    process = subprocess.Popen(
        [PROGRAM, "models", "show", "housing"],
        cwd=trained.folder,
        env=trained.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.wait(30)
    process.stderr.close()
    assert b"Traceback" not in said
    assert b"Exception" not in said


def test_json_output_is_one_document_on_stdout(trained: Place, sample_csv: Path) -> None:
    for command in ("models list", "predict-one", f"predict {sample_csv} out.csv", "doctor",
                    "train --estimator tree"):  # fmt: skip
        ran = trained.run(*command.split(), "--json")
        assert ran.code in (0, 3), ran
        assert isinstance(json.loads(ran.out), dict)
