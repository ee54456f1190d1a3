"""``restore deblur`` and ``restore enhance``: networks that keep the size, chosen by what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, ClassVar

from restorecli.commands.base import CommandOptions
from restorecli.commands.declare import MODEL, option
from restorecli.commands.options import SharedOptions
from restorecli.commands.values import one_of

if TYPE_CHECKING:
    from restorecli.loading import Models
    from restorecli.models.choose import ModelRequest
    from restorecli.stages import Stage

BLURS = ("motion", "realblur-j", "realblur-r", "defocus")
EVEN = ("auto", "off")
STYLES = ("low-light", "light", "retouch")


@dataclass(frozen=True)
class _KindOptions(CommandOptions):
    """A command with one option, which names the kind of what is wrong.

    Attributes:
        kinds: its values.
    """

    kinds: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        one_of(self._kind, f"--{fields(self)[0].name}", self.kinds)

    @property
    def _kind(self) -> str:
        return str(getattr(self, fields(self)[0].name))

    def requests(self, shared: SharedOptions) -> list[ModelRequest]:
        """Return the one request."""
        from restorecli.commands.requests import request

        return [request(self.command, shared, degradation=self._kind)]

    def stages(self, shared: SharedOptions, models: Models) -> list[Stage]:
        """Return the one stage."""
        from restorecli.stages import Stage
        from restorecli.tasks.same_size import SameSize

        return [Stage(SameSize(self.command), wanted) for wanted in self.requests(shared)]


@dataclass(frozen=True)
class DeblurOptions(_KindOptions):
    """Take blur out of photos. Small weights for motion and defocus come with the tool.

    A blur that lies evenly over the whole photo, as of a shaken camera, is found and divided out first.
    --variant paper gets large weights, which --blur realblur-j and realblur-r need.

    Example: restore deblur photos/

    Example: restore deblur --blur defocus photo.jpg
    """

    command = "deblur"
    kinds = BLURS

    blur: Annotated[
        str,
        option(
            "--blur",
            help="What blurred the photos. motion: camera or subject moved in daylight; realblur-j, "
            "realblur-r: camera shake in low light, in developed photos (j) or linear ones (r); defocus: "
            "missed focus.",
            panel=MODEL,
            metavar="|".join(BLURS),
        ),
    ] = BLURS[0]
    even_blur: Annotated[
        str,
        option(
            "--even-blur",
            help="auto: before the small weights, divide out a blur that lies evenly over the whole photo, "
            "where it can be told; off: leave all to the network.",
            panel=MODEL,
            metavar="|".join(EVEN),
        ),
    ] = EVEN[0]

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.even_blur, "--even-blur", EVEN)

    def stages(self, shared: SharedOptions, models: Models) -> list[Stage]:
        """Return the one stage: only the small weights get a photo without its even blur."""
        from restorecli.models.choose import choose
        from restorecli.stages import Stage
        from restorecli.tasks.deblur import Deblur

        (wanted,) = self.requests(shared)
        if self.even_blur == "off" or wanted.weights is not None or not choose(wanted).entry.ships:
            return super().stages(shared, models)
        return [Stage(Deblur(), wanted)]


@dataclass(frozen=True)
class EnhanceOptions(_KindOptions):
    """Brighten dark photos, or retouch tones. Small weights come with the tool for the first of these.

    Example: restore enhance night/

    Example: restore enhance --style retouch photo.jpg
    """

    command = "enhance"
    kinds = STYLES

    style: Annotated[
        str,
        option(
            "--style",
            help="low-light: brighten photos taken in the dark; light: the same, only by the small weights "
            "that come with the tool; retouch: the tones of a professional retoucher.",
            panel=MODEL,
            metavar="|".join(STYLES),
        ),
    ] = STYLES[0]

    def stages(self, shared: SharedOptions, models: Models) -> list[Stage]:
        """Return the one stage: the light weights take the noise out of what is brightened first."""
        from restorecli.models.choose import choose
        from restorecli.stages import Stage
        from restorecli.tasks.brighten import Brighten

        (wanted,) = self.requests(shared)
        chosen = () if wanted.weights is not None else choose(wanted).entry.degradations
        if self.style == "light" or "light" in chosen:
            return [Stage(Brighten(), wanted)]
        return super().stages(shared, models)
