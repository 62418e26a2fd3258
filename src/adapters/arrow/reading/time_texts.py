"""Times of Arrow as text in ISO 8601, for all values that their types hold."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.formats.cell_text import cell_text, duration_text

_TEXT = pa.large_string()
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
# Arrow formats times between these days in every time zone; of others it makes wrong texts.
_DAYS = ("0001-01-02", "9999-12-30")
_DAYS_IN_NS = ("1677-09-23", "2262-04-10")


def time_texts(array: pa.Array) -> pa.Array:
    """Return times, dates and durations as text, without a fraction of zero.

    A time with a time zone has the offset of that zone; outside of the years 1 to 9999 it is in
    UTC.
    """
    kind = array.type
    if pa.types.is_duration(kind):
        counts = array.cast(pa.int64()).to_pylist()
        digits = _DIGITS[kind.unit]
        return pa.array([None if c is None else duration_text(c, digits) for c in counts], _TEXT)
    if not (pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_date(kind)):
        return pa.array([None if v is None else cell_text(v) for v in array.to_pylist()], _TEXT)
    texts = array.cast(_TEXT)
    if not pa.types.is_time(kind):
        texts = _with_far_times(texts, array)
    texts = pc.replace_substring(texts, " ", "T")
    texts = pc.replace_substring_regex(texts, r"\.0+(\D.*)?$", r"\1")
    return pc.replace_substring_regex(texts, r"([+-]\d\d)(\d\d)$", r"\1:\2")


def _with_far_times(texts: pa.Array, array: pa.Array) -> pa.Array:
    kind = array.type
    moments: Any = array.to_numpy(zero_copy_only=False)
    days = moments.astype("datetime64[D]")
    is_timestamp = pa.types.is_timestamp(kind)
    first, last = _DAYS_IN_NS if is_timestamp and kind.unit == "ns" else _DAYS
    far = (days < np.datetime64(first)) | (days > np.datetime64(last))
    if not far.any():
        return texts
    found = np.datetime_as_string(moments[far] if is_timestamp else days[far])
    end = "Z" if is_timestamp and kind.tz is not None else ""
    return pc.replace_with_mask(texts, pa.array(far), pa.array(found + end, _TEXT))
