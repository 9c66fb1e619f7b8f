"""``python -m services.biometrics``: run the service. It needs the models that ``make models`` builds."""

from libs.common.web.run import main
from services.biometrics.app import build
from services.biometrics.settings import BiometricsSettings

if __name__ == "__main__":
    main("biometrics", BiometricsSettings, build)
