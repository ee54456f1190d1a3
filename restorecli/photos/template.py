"""Names of results by a template, such as ``out/{parent}/{name}_{task}.{ext}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from restorecli.errors import UsageError, did_you_mean
from restorecli.photos.distinct import portable
from restorecli.photos.formats import table as formats
from restorecli.photos.stores.path import AnyPath, path_of

FIELDS = {
    "name": "the photo's name without its suffix",
    "task": "what is done, as in names without a template: denoise, upscale-x4, dejpeg-denoise",
    "ext": "the suffix of the result's format, without its dot",
    "parent": "the name of the folder that the photo is in",
    "folder": "the folders between the folder that was named and the photo; nothing where there are none",
    "width": "of the photo, in pixels, upright",
    "height": "of the photo, in pixels, upright",
    "index": "the photo's number among all of the run, from 1; {index:04} is 0001",
}
"""What stands for what."""
NUMBERS = frozenset({"width", "height", "index"})
SIZES = frozenset({"width", "height"})
_DIGITS = re.compile(r"0?[1-9]")
_ESCAPE = "write {{ and }} for braces that are meant as such"


@dataclass(frozen=True)
class Template:
    """A template that was found to be right.

    Attributes:
        pieces: literal text, and the field behind it with its digits; the field is "" at the end.
    """

    pieces: tuple[tuple[str, str, str], ...]

    @property
    def fields(self) -> frozenset[str]:
        """The fields that occur."""
        return frozenset(field for _, field, _ in self.pieces if field)

    @property
    def literal(self) -> str:
        """The text itself where there is no field, braces undoubled."""
        return "".join(text for text, _, _ in self.pieces)

    @property
    def begin(self) -> str | None:
        """The folder that all results are in: what is certain of it; None for the current one."""
        text = self.pieces[0][0]
        return text[: text.rindex("/") + 1] if "/" in text else None

    @property
    def format(self) -> str:
        """The format that the suffix means; "keep" where it ends in {ext}."""
        text, field, _ = self.pieces[-1]
        return "keep" if field else formats.format_of_suffix(Path(f"a{text}").suffix) or ""

    def path(self, values: Mapping[str, str | int]) -> AnyPath:
        """Return the path for one photo; what comes from a photo is made safe for Windows, folders too.

        Args:
            values: of every field in `fields`.
        """
        made = ""
        for text, field, digits in self.pieces:
            made += text
            if field in NUMBERS:
                made += f"{int(values[field]):{digits}}"
            elif field:
                made += _safe(str(values[field]))
        return path_of(made)


def _safe(value: str) -> str:
    """Return names of folders and files with nothing in them that Windows refuses or a path takes apart."""
    parts = (part.rstrip(". ") or "_" for part in value.split("/"))
    return "/".join(portable(part, "") for part in parts) if value else ""


def is_template(output: str | None) -> bool:
    """Whether ``output`` has braces."""
    return output is not None and ("{" in output or "}" in output)


def read_template(output: str) -> Template:
    """Read a template.

    Raises:
        UsageError: a brace is left open, a field does not exist or cannot be written like that, or the name
            does not end in a suffix.
    """
    try:
        parsed = list(Formatter().parse(output))
    except ValueError as error:
        raise UsageError(f"-o {output}: {str(error).lower()}", _ESCAPE) from None
    pieces: list[tuple[str, str, str]] = []
    for text, field, digits, conversion in parsed:
        if field is not None:
            _check_field(output, field, digits or "", conversion)
        pieces.append((text, field or "", digits or ""))
    template = Template(tuple(pieces))
    if template.fields:
        _check_suffix(output, template)
    return template


def _check_field(output: str, field: str, digits: str, conversion: str | None) -> None:
    if field not in FIELDS:
        known = ", ".join(f"{{{name}}}" for name in FIELDS)
        near = did_you_mean(field, FIELDS)
        raise UsageError(
            f"-o {output}: there is no field {{{field}}}",
            f"{near + ' ' if near else ''}There are {known}; {_ESCAPE}",
        )
    if conversion or (digits and not (field in NUMBERS and _DIGITS.fullmatch(digits))):
        told = f"{{{field}{'!' + conversion if conversion else ''}{':' + digits if digits else ''}}}"
        raise UsageError(
            f"-o {output}: {told} cannot be filled in",
            "numbers take a width, as in {index:04}; others nothing",
        )


def _check_suffix(output: str, template: Template) -> None:
    text, field, _ = template.pieces[-1]
    if field == "ext" and text.endswith("."):
        return
    if field or not template.format:
        raise UsageError(
            f"-o {output}: the name ends in no suffix that says its format",
            "end it in .{ext}, or in the suffix of a format, as in .png",
        )
