"""An object of an S3 store by its URL, and what is said when something is wrong with it.

The standard variables AWS_* say who asks and where the store is, also AWS_ENDPOINT_URL.
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

_URL = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9._-]{1,61}[a-z0-9])/(?P<key>[^?#*]*[^?#*/])", re.IGNORECASE
)
_SEVERAL = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9._-]{1,61}[a-z0-9])/(?P<key>[^?#]*)", re.IGNORECASE
)
_SECRET = re.compile(r"(?<=://)[^/]*@|\?.*")


@dataclass(frozen=True, slots=True)
class State:
    """What a store calls the content of an object, and how long that is."""

    etag: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """Where an object is, or is to be."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return the object that a URL names.

        Raises:
            Misconfigured: it names none.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise Misconfigured(
                f"{_SECRET.sub('', url)} names no object; allowed: s3://BUCKET/KEY, one object, "
                f"with credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        return cls(found["bucket"], found["key"])

    @classmethod
    def folder(cls, url: str) -> Self:
        """Return what a URL of several objects names: a folder (KEY/) or a pattern with `*`.

        Raises:
            Misconfigured: it names none.
        """
        found = _SEVERAL.fullmatch(url)
        if found is None:
            raise Misconfigured(
                f"{_SECRET.sub('', url)} names no objects; allowed: s3://BUCKET/FOLDER/, or a "
                f"pattern with * such as s3://BUCKET/FOLDER/*.parquet"
            )
        return cls(found["bucket"], found["key"])

    @property
    def name(self) -> str:
        """The last part of the key; its suffix says the format."""
        return self.key.rpartition("/")[2]

    def beside(self, name: str) -> "ObjectPlace":
        """Return an object of another name at the same place."""
        folder, slash, _ = self.key.rpartition("/")
        return ObjectPlace(self.bucket, f"{folder}{slash}{name}")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def state(self) -> State | None:
        """Ask what is there now; None where nothing is."""
        with self._asking() as store:
            try:
                found = store.info(self._path, refresh=True)
            except FileNotFoundError:
                return None
        return None if found["type"] != "file" else State(found["ETag"], found["size"])

    def inside(self) -> Iterator[tuple["ObjectPlace", State]]:
        """Yield the objects whose keys begin with this one, which ends a folder, and their states.

        Raises:
            NotFound: there is no such bucket.
        """
        with self._asking() as store:
            found = store.find(self._path, detail=True)
        for path, each in found.items():
            place = ObjectPlace(self.bucket, path.removeprefix(f"{self.bucket}/"))
            if place.key.startswith(self.key) and not place.key.endswith("/"):
                yield place, State(each["ETag"], each["size"])

    def read(self, start: int, end: int) -> bytes:
        """Return some bytes of the object."""
        with self._asking() as store:
            content: bytes = store.cat_file(self._path, start=start, end=end)
        return content

    def upload(self, path: Path) -> State | None:
        """Put a file there; nobody sees a part of it. Return what is there afterwards."""
        with self._asking() as store:
            store.put_file(str(path), self._path)
        return self.state()

    def write(self, content: bytes) -> None:
        """Put some bytes there at once."""
        with self._asking() as store:
            store.pipe_file(self._path, content)

    def remove(self) -> None:
        """Let nothing be there."""
        if self.state() is not None:
            with self._asking() as store:
                store.rm_file(self._path)

    @property
    def _path(self) -> str:
        return f"{self.bucket}/{self.key}"

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """Hand out the store, and say what is wrong without what it says: that may be secret."""
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
    """Return the store that the variables lead to, with connections of this process."""
    return S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
