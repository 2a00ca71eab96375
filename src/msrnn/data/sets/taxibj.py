"""TaxiBJ's traffic flow in Beijing (Zhang et al. 2017)."""

import re
from pathlib import Path

import numpy as np

from msrnn.data.archive import Archive, find_files, open_archive
from msrnn.data.splits import DAY_NS, TEST, TRAIN, VALIDATION, Labels
from msrnn.errors import DataError
from msrnn.settings import DataSettings


def open_files(settings: DataSettings, folder: Path) -> Archive:
    """Open the files in a folder."""
    files = [path for path in find_files(folder) if re.fullmatch(r"BJ\d\d_.*\.h5", path.name)]
    if not files:
        reason = "no TaxiBJ file in it"
        raise DataError("no file", folder, reason, "they are called BJ13_M32x32_T30_InOut.h5 and so on")
    return open_archive(files, reader="taxibj", skip_bad=settings.skip_bad)


def split_frames(archive: Archive) -> Labels:
    """The last four weeks test, the four before them validate."""
    last = max(int(times.astype(np.int64).max()) for times in archive.times) // DAY_NS
    labels = []
    for times in archive.times:
        weeks_ago = (last - times.astype(np.int64) // DAY_NS) // 7
        labels.append(np.where(weeks_ago < 4, TEST, np.where(weeks_ago < 8, VALIDATION, TRAIN)))
    return labels
