"""What ``-o`` means: standard output, a file name, or a folder; and whether it suits the inputs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from restorecli.errors import UsageError
from restorecli.photos.formats import table as formats
from restorecli.photos.inputs import STDIN, Found
from restorecli.photos.paths import Survey, joined
from restorecli.photos.stores.path import AnyPath, StorePath, is_store, path_of
from restorecli.photos.stores.store import children, has_bucket, is_web, usable
from restorecli.photos.template import SIZES, Template, is_template, read_template


def check_output(found: Sequence[Found], output: str | None, format: str = "keep") -> None:
    """See that ``output`` and ``format`` suit the inputs, as far as their number tells; for `plan_names`.

    Raises:
        UsageError: options that do not go together.
    """
    format = formats.check_format(format)
    named = understood(output, format)
    if named.template is not None:
        check_template(named.template, found)
        return
    output = named.output
    found = without_outputs_folder(found, output)
    if is_stdout(found, output):
        check_one(found, output)
        return
    usable = [item for item in found if not item.refusal]
    if output is not None and is_store(output):
        _check_store(output)
    if output is not None and is_file_name(output, len(usable)):
        stated_format(output, format)
    for one in {item.root: item for item in usable}.values() if output is None else ():
        if is_web(one.path):
            raise UsageError(f"{one.path}: nothing can be written beside it", "say where to write with -o")
        if one.how == "folder":
            named_root(one)
        if isinstance(one.root, StorePath):
            _check_store(str(one.root))


def _check_store(output: str) -> None:
    """See that results can be written to a store, as far as that can be seen now.

    Raises:
        UsageError: it is the web, or there is no such bucket.
    """
    path = StorePath(output)
    usable(path)
    if is_web(path):
        raise UsageError(
            f"-o {output}: nothing can be written to {path.scheme}://", "give a folder or a bucket"
        )
    if len(path.parts) < 2:
        raise UsageError(f"-o {output}: names no bucket", "write s3://BUCKET/FOLDER, for example")
    try:
        there = has_bucket(path)
    except OSError as error:
        raise UsageError(f"-o {output}: cannot be written: {error.strerror or error}") from error
    if not there:
        raise UsageError(f"-o {output}: there is no bucket {path.parts[1]}", "check the spelling, or make it")


@dataclass(frozen=True)
class Named:
    """What ``-o`` says.

    Attributes:
        output: a folder, a file or "-"; of a template the folder that all results are in for sure.
        template: None where it is none.
        format: of the results.
    """

    output: str | None
    template: Template | None
    format: str


def understood(output: str | None, format: str) -> Named:
    """Return what ``output`` means, together with ``format``.

    Raises:
        UsageError: it is empty, or a template that is wrong, or whose suffix is of another format.
    """
    if output == "":
        raise UsageError("-o is empty", "name a folder; . is the one you are in")
    if output is not None and output.startswith("~/"):
        output = str(Path(output).expanduser())  # in quotes, as templates are, the shell leaves it
    if output is None or not is_template(output):
        return Named(output, None, format)
    template = read_template(output)
    if not template.fields:
        return Named(template.literal, None, format)
    if format != "keep" and template.format not in ("keep", format):
        raise UsageError(f"-o {output} and --format {format} do not go together")
    return Named(template.begin, template, format if template.format == "keep" else template.format)


def check_template(template: Template, found: Sequence[Found]) -> None:
    """See that every input has what the template's fields stand for, as far as can be told without reading.

    Raises:
        UsageError: one is a stream, whose size is not known beforehand.
    """
    streams = [item for item in found if item.is_stream]
    unknown = sorted(template.fields & (SIZES | {"parent", "folder"}))
    if streams and unknown:
        raise UsageError(
            f"{{{unknown[0]}}} is not known of a photo that comes through a pipe", "use {name} or {index}"
        )


def is_stdout(found: Sequence[Found], output: str | None) -> bool:
    """Whether the result goes to standard output."""
    return output == STDIN or (output is None and any(item.is_stdin for item in found))


def check_one(found: Sequence[Found], output: str | None) -> None:
    """See that what goes to standard output is one picture.

    Raises:
        UsageError: there is another number of inputs than one.
    """
    if len(found) != 1:
        how = (
            "standard output takes one picture"
            if output == STDIN
            else "standard input cannot be combined with other inputs"
        )
        raise UsageError(f"{how}, and there are {len(found)} inputs", "give -o FOLDER, or a single input")


def without_outputs_folder(found: Sequence[Found], output: str | None) -> list[Found]:
    """Drop what was met in the output folder when that lies inside an input folder."""
    if output is None or output == STDIN:
        return list(found)
    survey = Survey()
    folder = survey.folder(path_of(output))

    def is_result(item: Found) -> bool:
        if item.how not in ("folder", "glob"):
            return False
        root = survey.folder(item.root)
        if folder == root or not _inside(folder, root):
            return False
        return _inside(joined(survey.real(item.path)), folder)

    return [item for item in found if not is_result(item)]


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def named_root(item: Found) -> AnyPath:
    """Return the folder that ``item`` was found in, resolved.

    Raises:
        UsageError: it has no name that a sibling could be called after.
    """
    root: AnyPath = item.root
    if isinstance(root, Path):
        root = Path(os.path.realpath(root))
    if not root.name or (isinstance(root, StorePath) and root.bucket == root):
        raise UsageError(f"{item.root}: this folder has no sibling", "say where to write with -o FOLDER")
    return root


def is_file_name(output: str, count: int) -> bool:
    """Whether ``output`` names the one result, and not a folder.

    Raises:
        UsageError: it does, and there is another ``count`` of inputs than one.
    """
    if output.endswith(("/", os.sep)) or _is_folder(path_of(output)):
        return False
    if formats.format_of_suffix(Path(output).suffix) is None:
        return False
    if count != 1:
        raise UsageError(
            f"-o {output} is one file name, for {count} inputs", "give a folder, or end it with a slash"
        )
    return True


def _is_folder(output: AnyPath) -> bool:
    if isinstance(output, StorePath):
        try:
            return bool(children(output))
        except OSError as error:
            raise UsageError(f"-o {output}: cannot be written: {error.strerror or error}") from error
    return output.is_dir()


def stated_format(output: str, format: str) -> str:
    """Return the format that the suffix of ``output`` means.

    Raises:
        UsageError: ``format`` is another one.
    """
    stated = formats.format_of_suffix(Path(output).suffix) or ""
    if format not in ("keep", stated):
        raise UsageError(f"-o {output} and --format {format} do not go together")
    return stated
