"""KTH's videos of people (Schuldt et al. 2004)."""

import re
from pathlib import Path

import numpy as np

from msrnn.data.archive import Archive, find_files, open_archive
from msrnn.data.splits import TEST, TRAIN, VALIDATION, Labels
from msrnn.errors import DataError
from msrnn.settings import DataSettings

KTH_VALIDATION, KTH_TEST = (14, 15, 16), tuple(range(17, 26))
"""Persons; the authors train with 1 to 16 and test with the others, of the 16 we hold three out."""
_KTH_NAME = re.compile(r"person(\d\d)_([a-z]+)_d\d_uncomp\.avi")


def open_files(settings: DataSettings, folder: Path) -> Archive:
    """Open the files in a folder."""
    named = {path: _KTH_NAME.fullmatch(path.name) for path in find_files(folder)}
    chosen = [path for path, name in named.items() if name and name[2] in settings.actions]
    if not chosen:
        wanted = f"no video of {', '.join(settings.actions)} in it"
        raise DataError("no file", folder, wanted, "KTH's files are called person01_walking_d1_uncomp.avi and so on")
    return open_archive(chosen, reader="video", skip_bad=settings.skip_bad)


def split_frames(archive: Archive) -> Labels:
    """Persons 17 to 25 test, 14 to 16 validate, the others train."""
    labels = []
    for sequence, source in zip(archive.sequences, archive.sources, strict=True):
        name = _KTH_NAME.fullmatch(source.path(0).name)
        assert name is not None, "only such files were opened"
        person = int(name[1])
        split = TEST if person in KTH_TEST else VALIDATION if person in KTH_VALIDATION else TRAIN
        labels.append(np.full(len(sequence), split))
    return labels
