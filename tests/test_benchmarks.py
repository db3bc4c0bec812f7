"""What `make bench` shows of its measures, also of what could not be measured or broke off."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as bench

VALUES = [(0, "0"), (0.91237, "0.9124"), (1_400_000, "1.4e+06"), (None, "–"), (3, "3")]


def _measure(value: float | None, ok: bool | None) -> dict[str, Any]:
    return {
        **{"bench": "engine", "measure": "speed", "value": value, "unit": "ratio"},
        **{"target": ">= 0.85" if ok is not None else None, "ok": ok, "detail": "a detail"},
    }


@pytest.mark.parametrize(("value", "shown"), VALUES)
@pytest.mark.parametrize("ok", [True, False, None])
def test_every_kind_of_value_is_shown(
    value: float | None, shown: str, ok: bool | None, capsys: pytest.CaptureFixture[str]
) -> None:
    target, missed = ("", "") if ok is None else (" (>= 0.85)", "" if ok else ", MISSED")
    assert bench.say(_measure(value, ok)) == f"speed: {shown} ratio{target}{missed}"
    bench.show([_measure(value, ok)])
    row = capsys.readouterr().out.splitlines()[-2]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    verdict = {True: "yes", False: "NO", None: "–"}[ok]
    assert cells == ["engine", "speed", shown, "ratio", target.strip(" ()"), verdict, "a detail"]


def test_a_benchmark_that_broke_off_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "FOLDER", tmp_path)
    (measure,) = bench.run_one("_that_is_not_there")
    told = (measure["measure"], measure["value"], measure["ok"])
    assert told == ("ended with an error", 1, False)
    bench.show([measure])
    assert "ended with an error" in capfd.readouterr().out
