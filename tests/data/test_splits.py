from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msrnn.data.splits import DAY_NS, NONE, TEST, TRAIN, VALIDATION, SplitBy, cut_windows, split_by
from msrnn.errors import SettingsError

ALL = (0.7, 0.15, 0.15)


def cut(
    times: Sequence[float], length: int = 3, step: int = 1, stride: int = 1, usable: list[int] | None = None
) -> list[list[int]]:
    use = np.ones(len(times), bool) if usable is None else np.asarray(usable, bool)
    windows: list[list[int]] = cut_windows(np.asarray(times), use, length, step, stride).tolist()
    return windows


def test_windows_stand_at_equal_steps() -> None:
    assert cut([0, 1, 2, 3]) == [[0, 1, 2], [1, 2, 3]]
    assert cut([0, 1, 2, 3, 4], step=2) == [[0, 2, 4]]
    assert cut([0, 1]) == cut([]) == []
    assert cut(range(9), stride=4) == [[0, 1, 2], [4, 5, 6]]


def test_a_gap_or_an_unusable_frame_is_never_inside() -> None:
    assert cut([0, 1, 2, 4, 5, 6]) == [[0, 1, 2], [3, 4, 5]]
    assert cut([0, 1, 2, 3.5, 4.5]) == [[0, 1, 2]]
    assert cut(range(7), usable=[1, 1, 1, 0, 1, 1, 1]) == [[0, 1, 2], [4, 5, 6]]
    assert cut([0, 1, 3, 4, 5], stride=2) == [[2, 3, 4]]


@given(st.lists(st.integers(0, 60), unique=True).map(sorted), st.integers(1, 5), st.integers(1, 3), st.integers(1, 4))
def test_every_window_there_is_and_no_other(times: list[int], length: int, step: int, stride: int) -> None:
    windows = cut(times, length, step, stride)
    for window in windows:
        assert (np.diff([times[i] for i in window]) == step).all()
    assert all(after[0] - before[0] >= stride for before, after in pairwise(windows))
    if stride == 1:
        starts = [t for t in times if all(t + step * k in times for k in range(length))]
        assert [times[window[0]] for window in windows] == starts


def labels(
    times: Sequence[np.ndarray | range],
    by: SplitBy = "time",
    shares: tuple[float, float, float] = ALL,
    guard: int = 0,
    timed: bool = True,
    boundaries: tuple[int | None, int | None] = (None, None),
) -> list[list[int]]:
    return [one.tolist() for one in split_by([np.array(t) for t in times], timed, by, shares, guard, boundaries)]


def test_split_by_time() -> None:
    (cut,) = labels([range(20)])
    assert cut == [TRAIN] * 14 + [VALIDATION] * 3 + [TEST] * 3
    (guarded,) = labels([range(20)], guard=2)
    assert guarded == [TRAIN] * 12 + [NONE] * 2 + [VALIDATION] + [NONE] * 2 + [TEST] * 3
    (all_test,) = labels([range(5)], shares=(0, 0, 1))
    assert all_test == [TEST] * 5
    (dated,) = labels([range(10)], boundaries=(4, 7))
    assert dated == [TRAIN] * 4 + [VALIDATION] * 3 + [TEST] * 3
    assert labels([range(10)], boundaries=(None, 7)) == [[TRAIN] * 7 + [TEST] * 3]


def test_the_same_time_is_in_the_same_split() -> None:
    first, second = labels([range(0, 20, 2), range(0, 20, 2)])
    assert first == second
    one_after_another = labels([range(10), range(10)], timed=False)
    assert one_after_another == [[TRAIN] * 10, [TRAIN] * 4 + [VALIDATION] * 3 + [TEST] * 3]


@pytest.mark.parametrize("by", ["day", "event"])
def test_days_and_events_stay_whole_and_no_frame_is_in_two_splits(by: SplitBy) -> None:
    hours = np.arange(0, 24, 4) * (DAY_NS // 24)
    length = 30
    if by == "event":
        hours = hours // 2  # half a day without frames lies between two events
    times = np.concatenate([day * DAY_NS + hours for day in range(length)])
    (label,) = split_by([times], True, by, ALL, 0)
    by_day = label.reshape(length, -1)
    assert (by_day == by_day[:, :1]).all()
    assert np.bincount(by_day[:, 0]).tolist() == [21, 4, 5]
    assert not (np.diff(by_day[:, 0]) >= 0).all()  # dealt out, not in order
    later = np.concatenate((times, times + length * DAY_NS))
    (again,) = split_by([later], True, by, ALL, 0)
    assert (again[: len(label)] == label).all()  # whatever comes after


def test_a_guard_takes_training_frames_near_the_others() -> None:
    times = np.arange(40 * 24) * (DAY_NS // 24)
    guard = 3 * DAY_NS // 24
    (label,) = split_by([times], True, "day", ALL, guard)
    held_out = times[(label == VALIDATION) | (label == TEST)]
    nearest = np.abs(times[label == TRAIN][:, None] - held_out).min()
    assert nearest > guard
    (unguarded,) = split_by([times], True, "day", ALL, 0)
    assert (label[unguarded == TEST] == TEST).all()


def test_events_of_numbered_sequences() -> None:
    cut = labels([range(5)] * 10, by="event", timed=False)
    assert all(len(set(one)) == 1 for one in cut)
    assert sorted(one[0] for one in cut) == [TRAIN] * 7 + [VALIDATION] + [TEST] * 2
    joined = np.concatenate([1000 * k + np.arange(5) for k in range(10)])
    (one_axis,) = labels([joined], by="event", timed=False)
    assert sorted(one_axis[::5]) == [TRAIN] * 7 + [VALIDATION] + [TEST] * 2


def test_days_need_times() -> None:
    with pytest.raises(SettingsError, match="the files say nothing of time"):
        labels([range(5)], by="day", timed=False)
