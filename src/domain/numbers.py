"""Numbers in messages, tables and pages, with significant digits at every scale."""

_LONGEST = 1e12


def readable(value: float, sign: str = "") -> str:
    """Return a number for comparison: 38,186.43, 0.8891, 0.00012346 or 8.9515e+18.

    With `sign` "+" a positive number has its sign.
    """
    size = abs(value)
    if 0 < size < 0.1 or size >= _LONGEST:
        return f"{value:{sign}.5g}"
    return f"{value:{sign},.{2 if size >= 10 else 4}f}"


def rounded(value: float) -> str:
    """Return a number for reading: without decimals from ten on, else with three digits."""
    return f"{value:,.0f}" if 10 <= abs(value) < _LONGEST else f"{value:.3g}"
