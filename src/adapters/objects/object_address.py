"""The address of an object in an S3 store, and the requests for it, with translated errors.

The standard variables AWS_* configure credentials and the store, also AWS_ENDPOINT_URL.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from s3fs import S3FileSystem

from domain.errors import Misconfigured, NotFound, Unavailable

_BUCKET = re.compile("[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", re.IGNORECASE)
_OBJECT = re.compile("s3://([^/?#@]+)/([^?#*]*[^?#*/])", re.IGNORECASE)
_SEVERAL = re.compile("s3://([^/?#@]+)/([^?#]*)", re.IGNORECASE)
_SECRET = re.compile(r"(?<=://)[^/]*@|\?.*")


@dataclass(frozen=True, slots=True)
class State:
    """The version of an object's content, as the store names it, and its size."""

    etag: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ObjectAddress:
    """Bucket and key of an object."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return the object that a URL names.

        Raises:
            Misconfigured: the URL names no object.
        """
        found = _OBJECT.fullmatch(url)
        if found is None:
            raise Misconfigured(
                f"{_SECRET.sub('', url)} is not the URL of one object; allowed: s3://BUCKET/KEY "
                f"without user, password and query; credentials are in AWS_ACCESS_KEY_ID and "
                f"AWS_SECRET_ACCESS_KEY"
            )
        return cls._in_bucket(*found.groups())

    @classmethod
    def folder(cls, url: str) -> Self:
        """Return what a URL of several objects names: a folder (KEY/) or a pattern with `*`.

        Raises:
            Misconfigured: the URL names no folder or pattern.
        """
        found = _SEVERAL.fullmatch(url)
        if found is None:
            raise Misconfigured(
                f"{_SECRET.sub('', url)} is not the URL of objects; allowed: s3://BUCKET/FOLDER/, "
                f"or a pattern with * such as s3://BUCKET/FOLDER/*.parquet, without user, password "
                f"and query"
            )
        return cls._in_bucket(*found.groups())

    @classmethod
    def _in_bucket(cls, bucket: str, key: str) -> Self:
        if not _BUCKET.fullmatch(bucket):
            raise Misconfigured(
                f"s3://{bucket}/{key}: {bucket!r} cannot be the name of a bucket; allowed: 3 to 63 "
                f"letters, digits, dots, hyphens and underscores, a letter or digit at both ends"
            )
        return cls(bucket, key)

    @property
    def name(self) -> str:
        """The last part of the key; its suffix determines the format."""
        return self.key.rpartition("/")[2]

    def sibling(self, name: str) -> "ObjectAddress":
        """Return an object with another name in the same folder."""
        folder, slash, _ = self.key.rpartition("/")
        return ObjectAddress(self.bucket, f"{folder}{slash}{name}")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def state(self) -> State | None:
        """Return the current state of the object; None if it does not exist."""
        with self._requests() as store:
            try:
                found = store.info(self._path, refresh=True)
            except FileNotFoundError:
                return None
        return None if found["type"] != "file" else State(found["ETag"], found["size"])

    def inside(self) -> Iterator[tuple["ObjectAddress", State]]:
        """Yield the objects in this folder, with their states.

        Raises:
            NotFound: there is no such bucket.
        """
        with self._requests() as store:
            found = store.find(self._path, detail=True)
        for path, each in found.items():
            address = ObjectAddress(self.bucket, path.removeprefix(f"{self.bucket}/"))
            if address.key.startswith(self.key) and not address.key.endswith("/"):
                yield address, State(each["ETag"], each["size"])

    def read(self, start: int, end: int) -> bytes:
        """Return some bytes of the object."""
        with self._requests() as store:
            content: bytes = store.cat_file(self._path, start=start, end=end)
        return content

    def upload(self, path: Path) -> State | None:
        """Upload a file, visible when it is complete; return the new state."""
        with self._requests() as store:
            store.put_file(str(path), self._path)
        return self.state()

    def write(self, content: bytes) -> None:
        """Replace the content of the object."""
        with self._requests() as store:
            store.pipe_file(self._path, content)

    def remove(self) -> None:
        """Remove the object if it exists."""
        with self._requests() as store:
            store.rm_file(self._path)

    @property
    def _path(self) -> str:
        return f"{self.bucket}/{self.key}"

    @contextmanager
    def _requests(self) -> Iterator[Any]:
        """Yield the store; translate errors without their messages, which may quote secrets."""
        try:
            given = ((name, value) for name, value in os.environ.items() if name[:4] == "AWS_")
            yield _store(os.getpid(), tuple(sorted(given)))
        except FileNotFoundError as error:
            raise NotFound(f"{self}: there is no such object or bucket") from error
        except PermissionError as error:
            raise Unavailable(f"{self}: access is denied to these credentials") from error
        except NoCredentialsError as error:
            raise Unavailable(
                f"{self}: there are no credentials; set AWS_ACCESS_KEY_ID and "
                f"AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            ) from error
        except (BotoCoreError, ClientError, OSError) as error:
            raise Unavailable(
                f"{self}: the store cannot be reached or does not answer as it should "
                f"({type(error).__name__}); see AWS_ENDPOINT_URL and AWS_REGION"
            ) from error


@lru_cache(8)
def _store(_process: int, _variables: tuple[tuple[str, str], ...]) -> S3FileSystem:
    """Return the store that the variables configure, with connections of this process."""
    return S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
