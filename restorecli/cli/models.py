"""`restore models`: which weights there are, where they are, and how to get them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restorecli.cli import model_tables as tables
from restorecli.cli.help import BriefCommand
from restorecli.commands.declare import beginning_of, model_names
from restorecli.errors import UsageError, WeightsError
from restorecli.models.choose import license_policy as policy_of
from restorecli.models.costs import costs_of
from restorecli.models.registry import TASKS, ModelEntry, load_registry

if TYPE_CHECKING:
    from restorecli.models.cache import Record

app = typer.Typer(
    name="models",
    help="List, explain, fetch and check the weights.",
    no_args_is_help=True,
)

Task = Annotated[
    str | None,
    typer.Option(
        "--task",
        "-t",
        help="Only this task: upscale, denoise, dejpeg, demosaic, deblur, enhance.",
        metavar="TASK",
        autocompletion=beginning_of(TASKS),
    ),
]
Policy = Annotated[
    str | None,
    typer.Option(
        "--license-policy",
        envvar="RESTORE_LICENSE_POLICY",
        help="any, or commercial: only weights that are known to allow commercial use.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Names = Annotated[
    list[str] | None,
    typer.Argument(help="Names of models, or of whole networks.", autocompletion=model_names),
]


@app.command("list", cls=BriefCommand)
def list_models(
    task: Task = None,
    network: Annotated[str | None, typer.Option("--network", "-n", help="Only this network.")] = None,
    license: Annotated[
        str | None,
        typer.Option("--license", "--licence", help="Only licences whose name contains this text."),
    ] = None,
    cached: Annotated[bool, typer.Option("--cached", help="Only what is on this computer.")] = False,
    license_policy: Policy = None,
    as_json: Json = False,
) -> None:
    """List the weights, what they are for, and whether they are here.

    Example: restore models list --task denoise

    Example: restore models list --network grl --cached --json
    """
    from restorecli.models.cache import cached as is_cached

    registry = load_registry()
    _check_known(task, network)
    entries = registry.select(task=task, network=network, license_policy=policy_of(license_policy))
    if license is not None:
        entries = [entry for entry in entries if license.lower() in tables.license_of(entry).lower()]
    rows = [(entry, is_cached(entry) is not None) for entry in entries]
    rows = [row for row in rows if row[1] or not cached]
    if as_json:
        _print_json([tables.facts(entry, here) for entry, here in rows])
        return
    tables.show(tables.listing(rows))


@app.command(cls=BriefCommand)
def info(
    name: Annotated[
        str,
        typer.Argument(
            help="A network (rnan) or a model (rnan-denoise-color-s30).", autocompletion=model_names
        ),
    ],
    as_json: Json = False,
) -> None:
    """Explain a network or a model: paper, size, cost, precisions, licence.

    Example: restore models info rnan

    Example: restore models info grl-small-x4 --json
    """
    registry = load_registry()
    entry = None if name in registry.networks else registry.find(name)
    network = registry.networks[entry.network if entry else name]
    entries = [entry] if entry else registry.select(network=name)
    costs = costs_of(entries)
    if as_json:
        _print_json(tables.info_facts(network, entries, costs))
        return
    tables.show(*tables.info(network, entries, costs))


@app.command(cls=BriefCommand)
def download(
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="All weights that there are.")] = False,
    task: Task = None,
    license_policy: Policy = None,
    as_json: Json = False,
) -> None:
    """Fetch weights into the cache, so that later runs need no network.

    Example: restore models download nlsn-x4 rnan

    Example: restore models download --task denoise
    """
    registry = load_registry()
    policy = policy_of(license_policy)
    if not (names or everything or task):
        raise UsageError("nothing to download was named", "give names, --task or --all")
    _check_known(task, None)
    wanted = _entries(names) if names else registry.entries
    wanted = [entry for entry in wanted if task in (None, entry.task)]
    allowed = [entry for entry in wanted if entry.allowed(policy)]
    if len(allowed) < len(wanted):
        tables.say(f"{len(wanted) - len(allowed)} left out by the licence policy {policy}")
    records = {entry.name: _download(entry) for entry in allowed}
    failed = [name for name, record in records.items() if record is None]
    if as_json:
        _print_json([_place(entry, records[entry.name]) for entry in allowed])
    tables.say(f"{len(allowed) - len(failed)} of {len(allowed)} are in the cache")
    if failed:
        raise WeightsError(f"{len(failed)} could not be fetched: {', '.join(failed)}")


@app.command(cls=BriefCommand)
def verify(names: Names = None, as_json: Json = False) -> None:
    """Read every cached file again and compare it with its digest.

    Example: restore models verify

    Example: restore models verify rnan --json
    """
    from restorecli.models import fetch
    from restorecli.models.cache import entry_path

    entries = _entries(names) if names else list(load_registry().entries)
    entries = [entry for entry in entries if entry.name in (names or ()) or entry_path(entry).is_file()]
    rows = [(entry, fetch.verify(entry)) for entry in entries]
    if as_json:
        _print_json([{"name": entry.name, "ok": not wrong, "problem": wrong} for entry, wrong in rows])
    else:
        tables.show(tables.verification(rows))
    bad = [entry.name for entry, wrong in rows if wrong]
    if bad:
        there = [entry.name for entry, wrong in rows if wrong and entry_path(entry).is_file()]
        first = f"restore models remove {' '.join(there)}, then " if there else ""
        raise WeightsError(
            f"{len(bad)} of {len(rows)} files are not right: {', '.join(bad)}",
            f"{first}restore models download {' '.join(bad)}",
        )


@app.command(cls=BriefCommand)
def add(
    file: Annotated[Path, typer.Argument(help="A file of weights that was downloaded by hand.")],
    name: Annotated[
        str | None, typer.Option("--as", help="Which model it is, where the file does not show it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Put a file that was downloaded by hand into the cache, and see that it loads.

    Example: restore models add ~/Downloads/model_x4.pt --as nlsn-x4

    Example: restore models add RNAN_F64G10P48L2N30.pt
    """
    from restorecli.models import fetch
    from restorecli.models.cache import entry_path
    from restorecli.models.from_file import identify

    entry = identify(file, name, load_registry())
    record = fetch.add(entry, file)
    if load_registry().networks[entry.network].loader == "native":
        from restorecli.models.convert import convert_entry

        convert_entry(entry, record.sha256)
    if as_json:
        _print_json({"name": entry.name, "path": str(entry_path(entry)), "sha256": record.sha256})
        return
    known = "as published" if record.trust == "pinned" else "no digest is published; this one is recorded"
    typer.echo(f"{entry.name}\t{entry_path(entry)}")
    tables.say(f"added {file.name} as {entry.name} (sha256 {record.sha256}, {known})")


@app.command(cls=BriefCommand)
def where(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A model or a network; without it, the cache folder is printed.", autocompletion=model_names
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print where the weights are (or would be) kept.

    Example: restore models where

    Example: restore models where nlsn-x4
    """
    from restorecli.models.cache import entry_path, root

    if as_json:
        _print_json([_place(entry) for entry in _entries([name])] if name else {"folder": str(root())})
        return
    if name is not None and name in load_registry().networks:
        typer.echo(root() / "released" / name)
    else:
        typer.echo(entry_path(load_registry().find(name)) if name else root())


@app.command(cls=BriefCommand)
def remove(
    names: Annotated[
        list[str], typer.Argument(help="Names of models, or of whole networks.", autocompletion=model_names)
    ],
    as_json: Json = False,
) -> None:
    """Delete weights from the cache.

    Example: restore models remove nlsn-x4

    Example: restore models remove grl mirnet
    """
    from restorecli.models import fetch

    # a network's name means what was fetched of it
    doomed = [entry for entry in _entries(names) if not entry.ships or entry.name in names]
    deleted = {entry.name: [str(path) for path in fetch.remove(entry)] for entry in doomed}
    if as_json:
        _print_json([{"name": name, "deleted": paths} for name, paths in deleted.items()])
        return
    for name, paths in deleted.items():
        for path in paths:
            typer.echo(path)
        if not paths and name in names:
            tables.say(f"{name} was not in the cache")


def _entries(names: list[str] | None) -> list[ModelEntry]:
    """Return the entries of names and of whole networks, each once."""
    registry = load_registry()
    found: dict[str, ModelEntry] = {}
    for name in names or []:
        own = registry.select(network=name) if name in registry.networks else [registry.find(name)]
        found.update((entry.name, entry) for entry in own)
    return list(found.values())


def _place(entry: ModelEntry, record: Record | None = None) -> dict[str, Any]:
    from restorecli.models.cache import cached, entry_path

    record = record or cached(entry)
    recorded = {"sha256": record.sha256, "trust": record.trust} if record else {}
    return {"name": entry.name, "path": str(entry_path(entry)), "cached": record is not None, **recorded}


def _download(entry: ModelEntry) -> Record | None:
    from restorecli.models.fetch import fetch

    try:
        with tables.bar(entry.name) as progress:
            record, fresh = fetch(entry, progress=progress, again=True)
    except WeightsError as error:
        tables.say(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []))
        return None
    if fresh:
        known = "as published" if record.trust == "pinned" else "recorded at first use"
        tables.say(f"{entry.name}: sha256 {record.sha256} ({known}); licence: {tables.license_of(entry)}")
    return record


def _check_known(task: str | None, network: str | None) -> None:
    registry = load_registry()
    for kind, value, known in (
        ("task", task, list(dict.fromkeys(entry.task for entry in registry.entries))),
        ("network", network, list(registry.networks)),
    ):
        if value is not None and value not in known:
            raise UsageError(f"unknown {kind}: {value}", f"known: {', '.join(known)}")


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
