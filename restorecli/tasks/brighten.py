"""Brighten dark photos: all of a photo by one gain; a network takes out the noise that comes up with it.

How bright a photo should be is told once for the whole of it, so that tiles agree and colours stay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from restorecli.networks.network import Network
from restorecli.photo import Photo
from restorecli.tasks.base import Job, Need
from restorecli.tasks.estimate.exposure import brightened, stops_too_dark
from restorecli.tasks.same_size import SameSize, picture_inputs, visible

FEWEST = 1.3
"""Stops too dark from which a photo is brightened; usual photos differ by 0.7 (one standard deviation)."""
MOST = 5.0
"""Stops by which a photo is brightened at most: 8 bit hold no more."""


@dataclass(frozen=True)
class Darkness(Need):
    """What a dark photo needs.

    Attributes:
        stops: doublings of its light.
    """

    stops: float = 0.0


@dataclass(frozen=True)
class Brighten(SameSize):
    """Give dark photos the light of usual ones.

    Attributes:
        preparing: bytes a pixel that `prepare` takes at most beside the photo, its own result with it.
    """

    suffix: str = "enhance"
    preparing: ClassVar[int] = 17

    @property
    def judges(self) -> bool:
        """Whether a photo may turn out to need nothing."""
        return True

    def examine(self, photo: Photo) -> Need:
        """Tell how much too dark the photo is, and leave bright ones alone."""
        channels = 1 if photo.is_gray else 3
        stops = min(round(stops_too_dark(visible(photo)), 1), MOST)
        details: dict[str, str | float] = {"stops": stops}
        if stops < FEWEST:
            return Need(channels, leave="it is not dark", details=details)
        notes = (f"brightened by {stops:g} stops",)
        return Darkness(channels, details=details, notes=notes, stops=stops)

    def prepare(self, photo: Photo, need: Need, network: Network) -> Job:
        """Brighten, and give the network the colours."""
        stops = need.stops if isinstance(need, Darkness) else 0.0
        light = replace(photo, pixels=brightened(visible(photo), 2.0**stops))
        return Job(photo, picture_inputs(light, network))
