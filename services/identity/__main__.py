"""``python -m services.identity``: run the service."""

from libs.common.web.run import main
from services.identity.app import build
from services.identity.settings import Settings

if __name__ == "__main__":
    main("identity", Settings, build)
