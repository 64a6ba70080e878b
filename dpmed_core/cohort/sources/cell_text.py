"""The cells of Parquet files and workbooks as text."""

import math
from datetime import datetime


def cell_text(value: object) -> str:
    """A cell as text: a missing value is blank, whole numbers have no decimals, true and false are 1 and 0, a date has no time at midnight.

    >>> [cell_text(value) for value in (7.0, 1.5, True, None, float("nan"), datetime(1900, 2, 14), "007")]
    ['7', '1.5', '1', '', '', '1900-02-14', '007']
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        return str(value.date())
    return str(value)
