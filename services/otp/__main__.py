"""``python -m services.otp``: run the service."""

from libs.common.web.run import main
from services.otp.app import build
from services.otp.settings import Settings

if __name__ == "__main__":
    main("otp", Settings, build)
