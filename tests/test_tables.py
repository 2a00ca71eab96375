import pytest

from msrnn.tables import BYTES, FLOPS, format_bytes, scale_of


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0.00 KiB"),
        (700, "0.68 KiB"),
        (720_000, "0.69 MiB"),
        (3.384 * 2**30, "3.38 GiB"),
        (15.23 * 2**30, "15.2 GiB"),
        (121.1 * 2**30, "121 GiB"),
        (5000 * 2**30, "5,000 GiB"),
    ],
)
def test_format_bytes(number, text):
    assert format_bytes(number) == text


def test_scale_of():
    assert scale_of(1e11, FLOPS)[0] == "TFLOP"
    assert scale_of(9e10, FLOPS)[0] == "GFLOP"
    assert scale_of(0, BYTES)[0] == "KiB"
