"""A server that speaks S3, as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

from s3fs import S3FileSystem

from tests.integration.processes import START_SECONDS, end_group, free_port
from tests.support.waiting import wait_until

BUCKET = "scores"


@dataclass(frozen=True)
class Bucket:
    """A bucket of a running server, as a client of its own sees it."""

    port: int

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that lead there."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "open-sesame",
            "AWS_SECRET_ACCESS_KEY": "very-secret",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def put(self, key: str, content: bytes) -> str:
        """Put an object there and return its URL."""
        self._client().pipe_file(f"{BUCKET}/{key}", content)
        return f"s3://{BUCKET}/{key}"

    def get(self, key: str) -> bytes:
        content: bytes = self._client().cat_file(f"{BUCKET}/{key}")
        return content

    def remove(self, key: str) -> None:
        self._client().rm_file(f"{BUCKET}/{key}")

    def keys(self, folder: str) -> list[str]:
        """Return the names of the objects in a folder, sorted."""
        found = self._client().find(f"{BUCKET}/{folder}")
        return sorted(name.rpartition("/")[2] for name in found)

    def create(self) -> None:
        self._client().mkdir(BUCKET)

    def _client(self) -> S3FileSystem:
        return S3FileSystem(
            key="other",
            secret="other",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            client_kwargs={"region_name": "eu-west-1"},
            use_listings_cache=False,
        )


@contextmanager
def running_s3() -> Iterator[Bucket]:
    """Run a server with one bucket; it is gone with everything in it afterwards."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: _answers(port), START_SECONDS, lambda: "no S3 server")
        bucket = Bucket(port)
        bucket.create()
        yield bucket
    finally:
        end_group(process)


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5):
            return True
    except (URLError, OSError):
        return False
