"""Numbers that people read."""

DisplayUnit = tuple[str, float]
"""A unit and what a number is divided by."""
BYTES: tuple[DisplayUnit, ...] = (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10))
FLOPS: tuple[DisplayUnit, ...] = (("TFLOP", 1e12), ("GFLOP", 1e9), ("MFLOP", 1e6))


def scale_of(largest: float, scales: tuple[DisplayUnit, ...]) -> DisplayUnit:
    """The unit in which the largest of some numbers is at least 0.1, of `scales` from large to small."""
    return next((scale for scale in scales if largest >= 0.1 * scale[1]), scales[-1])


def format_bytes(number: float) -> str:
    """Bytes with their unit, to three digits or so: 3.38 GiB, 12.5 MiB, 512 KiB."""
    unit, divisor = scale_of(number, BYTES)
    value = number / divisor
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} {unit}"
