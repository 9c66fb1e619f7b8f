"""``python -m services.ca``: run the service. ``python -m services.ca.ceremony`` comes first, once."""

from libs.common.web.run import main
from services.ca.app import build
from services.ca.settings import Settings

if __name__ == "__main__":
    main("ca", Settings, build)
