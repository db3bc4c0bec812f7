"""Packs: a domain's settings in a file of their own, to copy and to edit.

packs: [packs/safety.yaml]              # a file names its domain: `domain: safety`
domains: {safety: {keyless: conduct}}   # what the recipe itself says goes before
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tasks.errors import RecipeError
from tasks.recipe.domains import DomainSettings
from tasks.recipe.fields import URI, Domain
from tasks.recipe.text import check_values, describe_faults, read_declared

_LONGEST_GUIDELINES = 100_000


class _Pack(DomainSettings):
    """A pack's file: the domain and what is particular to it."""

    domain: Domain


def put_packs(declared: dict[str, Any], folder: Path) -> None:
    """Replace `packs` by what they say of their domains, and guidelines' files by their texts.

    Raises RecipeError naming the file and the field.
    """
    domains = declared.get("domains") or {}
    packs = declared.pop("packs", None) or []
    if not isinstance(domains, dict) or not isinstance(packs, list):
        raise RecipeError("packs is a list of files, domains a mapping of settings by domain")
    domains = {
        name: _with_guidelines(own, folder, f"domains.{name}.guidelines")
        for name, own in domains.items()
    }
    read: set[str] = set()
    for file in packs:
        if not isinstance(file, str):
            raise RecipeError("packs: expected the path of a file, e.g. packs/safety.yaml")
        domain, settings = _read_pack(folder / Path(file).expanduser())
        if domain in read:
            raise RecipeError(f"packs: {file}: there is a pack for {domain} already")
        read.add(domain)
        domains[domain] = _merge(settings, domains.get(domain) or {})
    if domains:
        declared["domains"] = domains
        _put_defaults(declared, domains)


def _read_pack(file: Path) -> tuple[str, dict[str, Any]]:
    if not file.is_file():
        raise RecipeError(f"packs: {file}: there is no such file; copy one of recipes/packs/")
    settings = read_declared(file)
    try:
        check_values(settings)
        pack = _Pack.model_validate(settings)
    except ValidationError as error:
        faults = describe_faults(error, _Pack.model_json_schema(), "pack")
        raise RecipeError(f"{file}: {faults}") from None
    except ValueError as error:
        raise RecipeError(f"{file}: {error}") from None
    settings.pop("domain")
    return pack.domain, _with_guidelines(settings, file.parent, f"{file}: guidelines")


def _with_guidelines(settings: Any, folder: Path, where: str) -> Any:
    """Return a domain's settings with the text of its guidelines instead of their file."""
    name = settings.get("guidelines") if isinstance(settings, dict) else None
    if not isinstance(name, str):
        return settings
    file = folder / name
    if URI.match(name) or "\n" in name:
        raise RecipeError(f"{where}: expected the path of a text file beside the recipe or pack")
    if not file.is_file():
        raise RecipeError(f"{where}: {file}: there is no such file; write it, or name another one")
    try:
        with file.open(encoding="utf-8-sig") as opened:
            text = opened.read(_LONGEST_GUIDELINES + 1).strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise RecipeError(f"{where}: {file}: cannot be read as UTF-8 text: {error}") from None
    if not text or len(text) > _LONGEST_GUIDELINES:
        raise RecipeError(
            f"{where}: {file}: expected a text of 1 to {_LONGEST_GUIDELINES:,} characters"
        )
    return {**settings, "guidelines": text}


def _put_defaults(declared: dict[str, Any], domains: Mapping[str, Any]) -> None:
    """Let a domain's defaults stand in `select` where the recipe says nothing.

    A recipe that names a band or a policy has said which band it wants, in every domain.
    """
    select = declared.setdefault("select", {})
    if not isinstance(select, dict):
        return  # The recipe's own check says what is wrong with it.
    for domain, settings in domains.items():
        defaults = settings.get("defaults") if isinstance(settings, dict) else None
        for field, section in (("band", "domains"), ("target", "targets")):
            value = defaults.get(field) if isinstance(defaults, dict) else None
            if field == "band" and {"band", "policy"} & select.keys():
                continue
            if value is not None and isinstance(select.setdefault(section, {}), dict):
                select[section].setdefault(domain, value)


def _merge(base: Mapping[str, Any], own: Any) -> Any:
    """Return a pack's settings with the recipe's own before them, mappings field by field."""
    if not isinstance(own, dict):
        return own
    merged = dict(base)
    for name, value in own.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) else value
    return merged
