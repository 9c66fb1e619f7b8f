"""``python -m services.biometrics``: run the service. `build_models` comes first, once."""

from libs.common.web.run import main
from services.biometrics.app import build
from services.biometrics.settings import Settings

if __name__ == "__main__":
    main("biometrics", Settings, build)
