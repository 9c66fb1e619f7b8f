"""The words that ca shows to people."""

from pathlib import Path
from typing import Final

from libs.common.texts.catalogue import SHARED, Catalogue

TEXTS: Final = Catalogue.load(SHARED, Path(__file__).parent)
