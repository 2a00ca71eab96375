"""DWD's RY radar composites of Germany."""

import re
from pathlib import Path

import numpy as np

from msrnn.data.archive import Archive, find_files, open_archive
from msrnn.data.readers import is_zarr
from msrnn.data.splits import NONE, TEST, TRAIN, VALIDATION, Labels
from msrnn.errors import DataError
from msrnn.settings import DataSettings


def open_files(settings: DataSettings, folder: Path) -> Archive:
    """Open the files in a folder."""
    files = find_files(folder)
    stores = [path for path in files if is_zarr(path)]
    if stores:
        return open_archive(stores, skip_bad=settings.skip_bad)
    hdf5 = [path for path in files if path.suffix.lower() in (".h5", ".hdf5", ".hdf")]
    if hdf5:
        return open_archive(hdf5, reader="germany", skip_bad=settings.skip_bad)
    radolan = [path for path in files if re.search(r"(^|[^a-z])ry[\d_-]", path.name.lower())]
    if not radolan:
        fix = "give RYDL.hdf5, one HDF5 a year, RADOLAN RY files (raa01-ry_...), or a Zarr store made of them"
        raise DataError("no file", folder, "no RY data in it", fix)
    return open_archive(radolan, reader="radolan", skip_bad=settings.skip_bad)


def split_frames(archive: Archive) -> Labels:
    """2006-2014 train, 2015 validates, 2016 and 2017 test."""
    years = [times.astype("datetime64[Y]").astype(int) + 1970 for times in archive.times]
    cuts, splits = (2006, 2015, 2016, 2018), np.array((NONE, TRAIN, VALIDATION, TEST, NONE))
    return [splits[np.searchsorted(cuts, year, side="right")] for year in years]
