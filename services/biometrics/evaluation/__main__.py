"""``python -m services.biometrics.evaluation DATASET``: evaluate, and write report, figures and curve."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from services.biometrics.analysis import analyses
from services.biometrics.analysis.workers import JobFailed, Workers
from services.biometrics.evaluation import dataset, measure, plot, report
from services.biometrics.evaluation.dataset import Dataset, DatasetError
from services.biometrics.liveness.pad import PadError
from services.biometrics.liveness.pad import detector as detector_id
from services.biometrics.models.files import ModelsError, verify
from services.biometrics.models.model_card import ModelCard
from services.biometrics.settings import ANALYSIS_S


async def evaluate(
    found: Dataset,
    models: Path,
    processes: int,
    *,
    any_quality: bool,
    pad_card: Path | None = None,
    look_s: float = ANALYSIS_S,
) -> report.Evaluation:
    """Put all pictures and clips through the analyses, each of which may take `look_s` seconds, as in the service.

    Raises:
        ModelsError: the models are not what their manifest says.
        PadError: the detector's card is none.
        JobFailed: a worker could not be prepared; says why.
    """
    card = ModelCard.model_validate_json(verify(models).path("face-embedding-card").read_bytes())
    detector = detector_id(pad_card)
    workers = Workers(processes, analyses.load, models, pad_card, timeout=look_s)
    await workers.start()
    try:
        acquired = await measure.faces(workers, found, any_quality=any_quality)
        presentations = await measure.clips(workers, found)
    finally:
        await workers.stop()
    comparisons = measure.compare(acquired, card)
    return report.Evaluation(card, acquired, comparisons, presentations, any_quality, detector, look_s)


def write(found: report.Evaluation, out: Path) -> None:
    """Leave ``report.md``, ``report.json`` and, if there is a curve, ``det.png``."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.md").write_text(report.markdown(found), encoding="utf-8")
    (out / "report.json").write_bytes(report.json(found))
    curve = out / "det.png"
    curve.unlink(missing_ok=True)  # one of an earlier evaluation
    if found.comparisons is not None and found.comparisons.genuine:
        curve.write_bytes(plot.det_png(found.comparisons, found.points, found.card.id))


def main() -> int:
    """Evaluate the folder named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m services.biometrics.evaluation", description=dataset.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--models", type=Path, default=Path("var/models"), help="the models folder (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/eval-face"), help="where the report goes (%(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--look-s", type=float, default=ANALYSIS_S, help="BIOMETRICS_LOOK_S of the service (%(default)s)"
    )
    parser.add_argument("--pad-card", type=Path, help="the card of a mounted detector of presentation attacks")
    parser.add_argument("--any-quality", action="store_true", help="also pictures that the service would refuse")
    given = parser.parse_args()
    try:
        read = dataset.read(given.dataset)
        evaluating = evaluate(
            read,
            given.models,
            given.processes,
            any_quality=given.any_quality,
            pad_card=given.pad_card,
            look_s=given.look_s,
        )
        found = asyncio.run(evaluating)
    except (DatasetError, ModelsError, PadError, JobFailed) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    write(found, given.out)
    print((given.out / "report.md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
