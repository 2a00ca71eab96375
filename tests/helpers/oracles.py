"""Scores of some forecasts by other libraries, recorded: what tests/scores/test_scores.py compares ours with.

    python tests/helpers/oracles.py    # writes oracles.json beside it

Needs pysteps, scores and scikit-image. The forecasts are rain in mm/h, `fields`.
"""

import contextlib
import io
import json
from pathlib import Path

import numpy as np

RECORD = Path(__file__).with_suffix(".json")
THRESHOLDS, WINDOWS = (0.5, 2.0, 5.0), (1, 4, 7, 20)
LEADS = 2


def fields() -> tuple[np.ndarray, np.ndarray]:
    """Forecast and truth, (sequence, lead, 1, y, x) in mm/h: showers that move; the forecast's are weak and off."""
    y, x = np.mgrid[:26, :31]
    both = []
    for shift, strength in ((1.5, 0.7), (0.0, 1.0)):
        draw = np.random.default_rng(2013)
        rain = np.zeros((3, LEADS, 1, *y.shape))
        for sequence in range(3):
            for _ in range(5):
                top, left, size = draw.uniform(0, 26), draw.uniform(0, 31), draw.uniform(1.5, 5)
                for lead in range(LEADS):
                    away = (y - top) ** 2 + (x - left - 2 * lead - shift * (lead + 1)) ** 2
                    rain[sequence, lead, 0] += strength * 9 * np.exp(-away / (2 * size**2))
        both.append(np.where(rain < 0.1, 0, rain).astype(np.float32))
    return both[0], both[1]


def main() -> None:
    import xarray as xr
    from scores.categorical import ThresholdEventOperator
    from scores.spatial import fss_2d
    from skimage import metrics

    with contextlib.redirect_stdout(io.StringIO()):  # it says which settings it found
        from pysteps.verification import detcatscores, detcontscores, spatialscores

    forecast, truth = fields()
    record: dict[str, dict[str, list[float]]] = {"pysteps": {}, "scores": {}, "scikit-image": {}}
    per_lead = [(forecast[:, lead], truth[:, lead]) for lead in range(LEADS)]
    of_pysteps, of_package, of_skimage = record.values()
    for name in ("MSE", "MAE", "RMSE"):
        of_pysteps[name.lower()] = [detcontscores.det_cont_fct(f, t, name)[name] for f, t in per_lead]
    names = {"POD": "pod", "FAR": "far", "CSI": "csi", "HSS": "hss", "ETS": "ets", "BIAS": "bias"}
    methods = {
        "pod": "probability_of_detection", "far": "false_alarm_ratio", "csi": "critical_success_index",
        "hss": "heidke_skill_score", "ets": "equitable_threat_score", "bias": "frequency_bias",
    }  # fmt: skip
    for threshold in THRESHOLDS:
        for theirs, ours in names.items():
            values = [detcatscores.det_cat_fct(f, t, threshold, theirs)[theirs] for f, t in per_lead]
            of_pysteps[f"{ours} {threshold:g}"] = values
        operator = ThresholdEventOperator(default_event_threshold=threshold)
        for ours, method in methods.items():
            values = []
            for pair in per_lead:
                table = operator.make_contingency_manager(*(xr.DataArray(frames) for frames in pair))
                values.append(getattr(table.transform(), method)())
            of_package[f"{ours} {threshold:g}"] = values
        for window in WINDOWS:
            key = f"fss {threshold:g} {window}"
            of_pysteps[key] = []
            for f, t in per_lead:
                sums = spatialscores.fss_init(threshold, window)
                for one, other in zip(f[:, 0], t[:, 0], strict=True):
                    spatialscores.fss_accum(sums, one, other)
                of_pysteps[key].append(spatialscores.fss_compute(sums))
            if window == 1:  # windows across the border are counted in another way there
                of_package[key] = [
                    fss_2d(
                        *(xr.DataArray(frames[:, 0], dims=("sequence", "y", "x")) for frames in pair),
                        event_threshold=threshold,
                        window_size=(window, window),
                        spatial_dims=("y", "x"),
                    )
                    for pair in per_lead
                ]
    options = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pictures = [[frames[:, 0].clip(0, 10) / 10 for frames in pair] for pair in per_lead]
    of_skimage["ssim"] = [
        float(np.mean([metrics.structural_similarity(b, a, **options) for a, b in zip(*pair, strict=True)]))
        for pair in pictures
    ]
    of_skimage["psnr"] = [
        float(np.mean([metrics.peak_signal_noise_ratio(b, a, data_range=1.0) for a, b in zip(*pair, strict=True)]))
        for pair in pictures
    ]
    plain = {library: {k: [float(v) for v in values] for k, values in of.items()} for library, of in record.items()}
    RECORD.write_text(json.dumps(plain, indent=1) + "\n")


if __name__ == "__main__":
    main()
