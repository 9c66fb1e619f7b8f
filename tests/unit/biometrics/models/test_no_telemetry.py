"""The inference library reports to nobody."""

import os
import subprocess
import sys
from pathlib import Path

LOADED = "import services.biometrics.models.files, onnxruntime; onnxruntime.SessionOptions()"


def test_loading_the_models_begins_no_telemetry_session(tmp_path: Path) -> None:
    """Where it reports, it keeps a session file among the temporary ones, and the device's name in the home folder."""
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", LOADED], env=environment, cwd=Path(__file__).parents[4], check=True)
    assert [str(path) for path in tmp_path.rglob("*") if path.is_file()] == []
