"""A folder that a batch job writes: one Parquet file per chunk, all visible at once."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from adapters.arrow.file_sink import FileSink
from adapters.arrow.formats import FORMATS, Format, common_schema, write_parquet
from adapters.arrow.receipts import Content
from adapters.arrow.writing import replacing, sync_folder
from domain.errors import Conflict

_OURS = re.compile(r"part-[0-9]{5,}\.parquet")


class FolderSink(FileSink):
    """Writes `part-00000.parquet` and so on into a folder, otherwise as `FileSink` does.

    All files have the same types. Rejects and receipt lie beside the folder.
    """

    def _choose_format(self) -> Format:
        return FORMATS[".parquet"]

    def _require_replaceable(self) -> None:
        """Check that nothing of somebody else's would be replaced."""
        if not self._path.exists():
            return
        found = [self._path] if not self._path.is_dir() else [*self._path.iterdir()]
        others = sorted(each.name for each in found if not _OURS.fullmatch(each.name))
        if others:
            raise Conflict(
                f"{self._path}/ would be replaced, and {others[0]!r} is not of an earlier output; "
                f"name a folder that is not there yet"
            )

    def _put_output(self, rows: Sequence[Path], folder: Path) -> Content:
        made, earlier = folder / "made", folder / "earlier"
        for each in (made, earlier):
            shutil.rmtree(each, ignore_errors=True)
        made.mkdir()
        schema = common_schema(rows)
        for index, part in enumerate(rows):
            with replacing(made / f"part-{index:05d}.parquet", folder) as stream:
                write_parquet([part], schema, stream)
        content = Content.of_folder(made)
        self._require_replaceable()
        if self._path.exists():
            self._path.rename(earlier)
        made.rename(self._path)
        sync_folder(self._path.parent)
        return content
