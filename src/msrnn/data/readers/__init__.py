"""Readers: files to headers and frames. `READERS` names them; `recognise` looks at a file."""

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py

from msrnn.data.readers.arrays import ArrayReader
from msrnn.data.readers.base import Reader, start_of
from msrnn.data.readers.esri_ascii import ASCIIGridReader
from msrnn.data.readers.germany import GermanyReader
from msrnn.data.readers.hdf5 import HDF5Reader
from msrnn.data.readers.images import ImageReader
from msrnn.data.readers.knmi import KNMIReader
from msrnn.data.readers.netcdf import NetCDFReader, ZarrReader
from msrnn.data.readers.odim import ODIMReader
from msrnn.data.readers.pysteps import PystepsReader, pysteps_importer
from msrnn.data.readers.radolan import RadolanReader
from msrnn.data.readers.taxibj import TaxiBJReader
from msrnn.data.readers.video import VideoReader
from msrnn.errors import Setting, SettingsError

READERS: dict[str, type[Reader]] = {
    "array": ArrayReader,
    "hdf5": HDF5Reader,
    "images": ImageReader,
    "video": VideoReader,
    "knmi": KNMIReader,
    "odim": ODIMReader,
    "radolan": RadolanReader,
    "esri-ascii": ASCIIGridReader,
    "taxibj": TaxiBJReader,
    "germany": GermanyReader,
    "netcdf": NetCDFReader,
    "zarr": ZarrReader,
}
"""Name to reader; the first that knows a file reads it. Besides these, `pysteps:NAME` is any importer of pysteps."""
PYSTEPS = "pysteps:"
FMI_PGM = r"P5\s.*# obstime \d{12}\s.*# param CorrectedReflectivity"


def make_reader(name: str, options: Mapping[str, Any]) -> Reader:
    """Make the reader of that name.

    Raises:
        SettingsError: there is none, or it has no such option.
    """
    if name.startswith(PYSTEPS):
        importer = name.removeprefix(PYSTEPS)
        if "importer" in options:
            raise SettingsError(Setting("data.reader_options.importer"), f": the reader is {name} already")
        pysteps_importer(Setting("data.reader", name), importer)
        return PystepsReader(importer, **{key: _number(value) for key, value in options.items()})
    if name not in READERS:
        raise SettingsError(f"no reader {name!r}; choose from {', '.join(READERS)}, {PYSTEPS}NAME")
    reader = READERS[name]
    known = inspect.signature(reader).parameters
    for key in options:
        if key not in known:
            choices = f"has the options {', '.join(known)}" if known else "has no options"
            raise SettingsError(Setting(f"data.reader_options.{key}"), f": the reader {name} {choices}")
    return reader(**{key: _as_declared(known[key], value) for key, value in options.items()})


def _as_declared(parameter: inspect.Parameter, value: Any) -> Any:
    if "float" not in str(parameter.annotation):
        return str(value)
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise SettingsError(Setting(f"data.reader_options.{parameter.name}", value), ": a number is wanted") from error


def _number(value: Any) -> Any:
    """Convert an option of a pysteps importer, which comes as text."""
    kinds: tuple[Callable[[str], Any], ...] = (int, float)
    for kind in kinds:
        try:
            return kind(value)
        except (TypeError, ValueError):
            continue
    return {"true": True, "false": False, "none": None}.get(str(value).lower(), value)


def recognise(path: Path) -> str | None:
    """Find the reader for a file (or Zarr store) by its content; None, if it is no known format."""
    if path.is_dir():
        return "zarr" if is_zarr(path) else None
    start = start_of(path)
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return _recognise_hdf5(path)
    beginning = start.decode("latin-1")
    if re.match(FMI_PGM, beginning, re.DOTALL):
        return f"{PYSTEPS}fmi_pgm"
    signatures = ((name, reader.signature) for name, reader in READERS.items() if reader.signature)
    return next((name for name, signature in signatures if re.match(signature, beginning, re.DOTALL)), None)


def is_zarr(path: Path) -> bool:
    """Say whether a folder is a Zarr store."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata", ".zarray"))


def _recognise_hdf5(path: Path) -> str:
    try:
        with h5py.File(path) as file:
            return next((name for name, reader in READERS.items() if reader.recognises(file)), "hdf5")
    except (OSError, RuntimeError, KeyError, AttributeError):
        return "netcdf" if path.suffix in (".nc", ".nc4") else "hdf5"
