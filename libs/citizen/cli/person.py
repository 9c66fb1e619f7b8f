"""The person at the terminal: is asked for the code, the pictures and the PIN."""

import asyncio
import mimetypes
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import typer

from libs.citizen.api.answers import Upload
from libs.citizen.api.biometrics import Part
from libs.citizen.api.services import Services
from libs.citizen.cli.screen import Screen, secret
from libs.citizen.journey.eds import CaptureTask
from libs.citizen.journey.progress import DEFAULT_LIMITS, WaitLimits, wait_until
from libs.citizen.texts import line, words

_CODE: Final = re.compile(r"(?<!\d)\d{6}(?!\d)")


def read_upload(path: Path) -> Upload:
    """Read a file to send, with the media type that its name tells."""
    return Upload(path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream")


@dataclass
class TerminalPerson:
    """Answers at the keyboard.

    Args:
        files: captures named beforehand; each is used once, for a second try needs a new picture.
        inbox: the services whose development inbox takes the phone's place, or None for a real phone.
        passport: the document is a passport: its page is asked for, and not both sides of a card.
    """

    screen: Screen
    files: dict[Part, Path] = field(default_factory=dict)
    pin_file: Path | None = None
    inbox: Services | None = None
    passport: bool = False
    _used: set[str] = field(default_factory=set)

    async def code(self, journey_id: str) -> str:
        """Ask for the code of the SMS."""
        if self.inbox is not None:
            code = await newest_code(self.inbox, journey_id, self._used)
            self._used.add(code)
            return code
        with self.screen.asking():
            return str(await asyncio.to_thread(typer.prompt, words("prompt.code"), default="", show_default=False))

    async def captures(self, task: CaptureTask) -> Mapping[Part, Upload]:
        """Tell what to do in front of the camera, and ask for the files."""
        with self.screen.asking():
            if task.challenge:
                self.screen.say("captures.challenge")
                for number, move in enumerate(task.challenge, start=1):
                    self.screen.console.print(f"  {number}. {line(f'challenge.{move}', {})}", markup=False)
            for hint in task.guidance:
                self.screen.console.print(f"• {line(hint, {})}", markup=False)
            parts = task.parts_with_passport if self.passport else task.parts
            return {part: await self._capture(part) for part in parts}

    async def _capture(self, part: Part) -> Upload:
        path = self.files.pop(part, None)
        while path is None or not path.is_file():
            if path is not None:
                self.screen.say("captures.no_file", file=path)
            path = Path(await asyncio.to_thread(typer.prompt, words(f"prompt.{part.member}")))
        return read_upload(path)

    async def pin(self) -> str:
        """Ask for a PIN of six digits, twice."""
        with self.screen.asking():
            return await asyncio.to_thread(secret, words("prompt.new_pin"), "CITIZEN_PIN", self.pin_file, confirm=True)


async def newest_code(
    services: Services, journey_id: str, used: Collection[str] = (), waiting: WaitLimits = DEFAULT_LIMITS
) -> str:
    """Wait for a code that was not used yet in the inbox that the development profile has in place of a phone."""

    async def fetch() -> list[str]:
        messages = sorted(await services.otp.development_inbox(journey_id), key=lambda message: message.at)
        found = [match[0] for message in messages if (match := _CODE.search(message.text))]
        return [code for code in found if code not in used]

    return (await wait_until(fetch, bool, seconds=lambda _: waiting.machines, waiting=waiting))[-1]
