"""A hook of mkdocs: pages from elsewhere in the repository become pages of the site, their links too."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "weights/README.md": "weights.md",
    "CONTRIBUTING.md": "contributing.md",
    "RELEASING.md": "releasing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""File of the repository → page of the site."""
LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)]*)?\))")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages, and the files beside them that they link to."""
    for source in [*PAGES, *(f"docs/{file.src_uri}" for file in files.documentation_pages())]:
        text = (ROOT / source).read_text(encoding="utf-8")
        if source in PAGES:
            files.append(File.generated(config, PAGES[source], content=linked(text, source)))
        for target in filter(is_plain, targets(text, source)):
            if files.get_file_from_path(target) is None:
                files.append(File.generated(config, target, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Turn links of pages of docs/ that leave it to where those pages are in the site."""
    if page.file.src_uri in PAGES.values():
        return markdown
    return linked(markdown, f"docs/{page.file.src_uri}")


def targets(text: str, source: str) -> list[str]:
    """Return what the links of a file lead to inside the repository."""
    found = [match[2] for match in LINK.finditer(text) if "://" not in match[2]]
    return [posixpath.normpath(posixpath.join(posixpath.dirname(source), target)) for target in found]


def is_plain(target: str) -> bool:
    """Whether a target is a file to be copied, and no page."""
    return not target.startswith("docs/") and target not in PAGES and (ROOT / target).is_file()


def linked(text: str, source: str) -> str:
    """Return ``text`` of the repository's file ``source`` with its links as the site has them."""
    here = posixpath.dirname(site_path(source))

    def moved(match: re.Match[str]) -> str:
        if "://" in match[2]:
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        return match[1] + posixpath.relpath(site_path(target), here or ".") + match[3]

    return LINK.sub(moved, text)


def site_path(file: str) -> str:
    """Return where the site has a file of the repository."""
    return PAGES.get(file, file.removeprefix("docs/"))
