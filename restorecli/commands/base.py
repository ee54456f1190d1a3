"""What every restoring command offers: its options as data, and the stages that they mean."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from restorecli.commands.options import SharedOptions

if TYPE_CHECKING:  # torch is imported only once stages are built
    from restorecli.loading import Models
    from restorecli.models.choose import ModelRequest
    from restorecli.stages import Stage


@dataclass(frozen=True)
class CommandOptions:
    """The own options of a command, checked when they are made.

    A subclass declares its options as fields, and its docstring is the command's help.

    Attributes:
        command: the command's name.
        develops_raw: whether this command develops camera RAW itself; before others it is developed first.
        not_shared: shared options that make no sense for it, which it does not offer.
        says_each: whether what was found in a photo is said of every one, also among many.
    """

    command: ClassVar[str]
    develops_raw: ClassVar[bool] = False
    not_shared: ClassVar[tuple[str, ...]] = ()
    says_each: ClassVar[bool] = False

    @property
    def suffix(self) -> str:
        """What names of results end in, such as "upscale-x4"."""
        return self.command

    def check(self, shared: SharedOptions) -> None:
        """Refuse options that do not go with the ``shared`` ones.

        Raises:
            UsageError: with what to do instead.
        """

    def recorded(self, shared: SharedOptions) -> dict[str, str]:
        """Return the options as they were asked for, for the run record."""
        return {field.name: str(getattr(self, field.name)) for field in fields(self)}

    def requests(self, shared: SharedOptions) -> list[ModelRequest]:
        """Return which models are asked for, in the stages' order.

        Raises:
            RestoreError: the model has no weights for it.
        """
        raise NotImplementedError

    def raw_noise(self, shared: SharedOptions) -> tuple[float | None, float | None]:
        """Return how camera RAW that is developed first is denoised: see `Demosaic.denoise` and ``sigma``."""
        return None, None

    def stages(self, shared: SharedOptions, models: Models) -> list[Stage]:
        """Return what a photo goes through, but for the development of camera RAW.

        Raises:
            RestoreError: the model has no weights for it, or the file given cannot be used.
        """
        raise NotImplementedError
