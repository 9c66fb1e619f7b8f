"""``python -m services.kandas``: run the service."""

from libs.common.web.run import main
from services.kandas.app import build
from services.kandas.settings import Settings

if __name__ == "__main__":
    main("kandas", Settings, build)
