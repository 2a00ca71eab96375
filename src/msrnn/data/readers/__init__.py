"""Readers: files to headers and frames. `READERS` names them; `recognise` looks at a file."""

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msrnn.data.readers.arrays import ArrayReader
from msrnn.data.readers.base import Reader, start_of
from msrnn.data.readers.hdf5 import HDF5Reader, KNMIReader, ODIMReader
from msrnn.data.readers.images import ImageReader, VideoReader
from msrnn.data.readers.netcdf import XarrayReader, ZarrReader
from msrnn.data.readers.radolan import ASCIIGridReader, PystepsReader, RadolanReader, pysteps_importer
from msrnn.data.readers.taxibj import GermanyReader, TaxiBJReader, is_taxibj
from msrnn.errors import Setting, SettingsError

READERS: dict[str, type[Reader]] = {
    "array": ArrayReader,
    "hdf5": HDF5Reader,
    "netcdf": XarrayReader,
    "zarr": ZarrReader,
    "images": ImageReader,
    "video": VideoReader,
    "knmi": KNMIReader,
    "odim": ODIMReader,
    "radolan": RadolanReader,
    "esri-ascii": ASCIIGridReader,
    "taxibj": TaxiBJReader,
    "germany": GermanyReader,
}
"""Besides these, `pysteps:NAME` is any importer of pysteps."""
PYSTEPS = "pysteps:"

SIGNATURES: tuple[tuple[str, str], ...] = (
    (r"P5\s.*# obstime \d{12}\s.*# param CorrectedReflectivity", f"{PYSTEPS}fmi_pgm"),
    (r"\x93NUMPY|PK\x03\x04", "array"),
    (r"CDF[\x01\x02\x05]", "netcdf"),
    (r"\x89PNG|GIF8|II\*\x00|MM\x00\*|P[256]\s|\xff\xd8\xff", "images"),
    (r"[A-Z]{2}\d{11}\d{4}BY", "radolan"),
    (r"\s*(ncols|nrows)\s+\d+", "esri-ascii"),
    (r"RIFF....AVI |....ftyp|\x1a\x45\xdf\xa3|\x00\x00\x01[\xba\xb3]|FLV|OggS", "video"),
)
"""How the (unpacked) content of a file begins, and its reader; HDF5 is looked into."""


def make_reader(name: str, options: Mapping[str, Any]) -> Reader:
    """The reader of that name.

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
    return reader(**{key: _as_declared(name, known[key], value) for key, value in options.items()})


def _as_declared(reader: str, parameter: inspect.Parameter, value: Any) -> Any:
    if "float" not in str(parameter.annotation):
        return str(value)
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise SettingsError(Setting(f"data.reader_options.{parameter.name}", value), ": a number is wanted") from error


def _number(value: Any) -> Any:
    """Options of pysteps' importers come as text."""
    kinds: tuple[Callable[[str], Any], ...] = (int, float)
    for kind in kinds:
        try:
            return kind(value)
        except (TypeError, ValueError):
            continue
    return {"true": True, "false": False, "none": None}.get(str(value).lower(), value)


def recognise(path: Path) -> str | None:
    """The name of the reader for a file (or Zarr store), judged by its content; None, if it is no known format."""
    if path.is_dir():
        return "zarr" if is_zarr(path) else None
    start = start_of(path)
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return _recognise_hdf5(path)
    beginning = start.decode("latin-1")
    for signature, name in SIGNATURES:
        if re.match(signature, beginning, re.DOTALL):
            return name
    return None


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata", ".zarray"))


def _recognise_hdf5(path: Path) -> str:
    import h5py

    try:
        with h5py.File(path) as file:
            if "image1/image_data" in file and "overview" in file:
                return "knmi"
            if "what" in file and file["what"].attrs.get("object") in (b"COMP", b"IMAGE", "COMP", "IMAGE"):
                return "odim"
            if is_taxibj(file):
                return "taxibj"
            is_netcdf = "_NCProperties" in file.attrs or any("DIMENSION_LIST" in item.attrs for item in file.values())
            return "netcdf" if is_netcdf else "hdf5"
    except (OSError, RuntimeError, KeyError, AttributeError):
        return "netcdf" if path.suffix in (".nc", ".nc4") else "hdf5"
