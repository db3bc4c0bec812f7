"""The commands of `teachset`. Each one imports what it needs when it is called."""

import gc
import io
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from cli.arguments import RECIPE_HELP, RecipeArgument
from cli.auditing import audit
from cli.boundary import INTERRUPTED, watch_for_interruptions, write_defects_down
from cli.terminal_log import prepare_environment
from tasks.lake.without_pandas import leave_pandas_out

ID_HELP = "A pair_id, prompt_id or response_id; its first six characters may do."
RecipeOption = Annotated[Path | None, typer.Option("--recipe", "-r", help=RECIPE_HELP)]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Set a field, e.g. sample.student=16."),
]


class Guarded(TyperGroup):
    """Turns whatever a command raises into one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; its errors end here."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader of our output has seen enough; Python must not complain at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(0) from None
        except (Exception, KeyboardInterrupt) as error:
            raise _ended(error) from None
        except BaseException as error:
            if type(error).__name__ == "TerminationSignal":
                raise _ended(error) from None
            raise


app = typer.Typer(
    cls=Guarded,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(audit, name="audit")


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"teachset {version('teachset')}")
        raise typer.Exit


@app.callback()
def teachset(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Build the training set that one particular model is ready to learn from."""


@app.command("run")
def run_recipe(
    recipe: RecipeArgument = None,
    override: SetOption = None,
    phase: Annotated[
        Literal["explore", "scale"] | None,
        typer.Option(help="Try a sample of each domain first, or do the whole; the recipe's own."),
    ] = None,
) -> None:
    """Build the recipe's training set, from seeds to a release. Safe to repeat.

    With --phase explore a sample of each domain goes as far as selection, and what the whole would
    give and cost is estimated from it; --phase scale goes on and reuses all that was paid for.
    """
    from cli.running import run_flow

    run_flow("build", recipe, [*(override or ()), *([f"phase={phase}"] if phase else ())])


@app.command("yields")
def show_yields(
    recipe: RecipeArgument = None,
    override: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Say what exploring has shown: yields by domain, what the whole would give and cost.

    Reads the store; writes nothing and calls nobody.
    """
    from cli.yields import show_exploration

    show_exploration(recipe, override or (), as_json=as_json)


@app.command()
def stage(
    name: Annotated[
        str, typer.Argument(help="ingest, rewrite, sample, assess, select, teach or release.")
    ],
    recipe: RecipeArgument = None,
    override: SetOption = None,
) -> None:
    """Run one stage alone, on what the store has."""
    from cli.running import run_flow

    run_flow(name, recipe, override or ())


@app.command("plan")
def plan_recipe(
    recipe: RecipeArgument = None,
    override: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Say what a run would call and spend, stage by stage.

    Reads the recipe's files and, if there is one, its store; writes nothing and calls nobody.
    """
    from cli.planning import show_plan

    show_plan(recipe, override or (), as_json=as_json)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="SQL, the path of a .sql file, or - for stdin.")],
    recipe: RecipeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array of objects.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header.")] = False,
    limit: Annotated[int | None, typer.Option(min=0, help="Show at most so many rows.")] = None,
) -> None:
    """Ask the store anything, read-only, also while a run is writing."""
    from cli.querying import show_query

    form = "json" if as_json else "csv" if as_csv else "table"
    raise typer.Exit(show_query(sql, recipe, form=form, limit=limit))


@app.command()
def shell(
    recipe: RecipeOption = None,
    ui: Annotated[
        bool, typer.Option("--ui", help="DuckDB's own UI in a browser, instead of a prompt.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the UI, on loopback.")] = 4213,
) -> None:
    """Ask the store at a prompt, or in DuckDB's UI, read-only."""
    if ui:
        from cli.shell_ui import open_ui

        open_ui(recipe, port)
        return
    from cli.shell import open_shell

    open_shell(recipe)


@app.command()
def snapshot(
    file: Annotated[Path, typer.Argument(help="The DuckDB file to write, e.g. out.duckdb.")],
    recipe: RecipeOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Write the whole store into one plain DuckDB file."""
    from cli.snapshot import take_snapshot

    rows = take_snapshot(file, recipe, force=force)
    typer.echo(f"{file}: {rows:,} rows")


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Where to; a second time copies what is new.")],
    recipe: RecipeOption = None,
) -> None:
    """Copy the store into a folder, as of one moment, also while a run writes."""
    from cli.backup import back_up

    done = back_up(recipe, folder)
    typer.echo(f"{folder}: {done.files:,} data files, {done.copied:,} of them copied now")


@app.command()
def tidy(
    recipe: RecipeArgument = None,
    orphans: Annotated[
        bool,
        typer.Option("--orphans", help="Also in a data folder that the recipe declares."),
    ] = False,
) -> None:
    """Merge small files and let go of what the recipe no longer keeps; every row stays.

    Files that no snapshot names are removed where the data folder is the store's own; with
    --orphans from a declared one as well, if no other store has its files there.
    """
    from cli.tidying import tidy as tidy_up

    tidy_up(recipe, orphans=orphans)


@app.command()
def explain(
    identifier: Annotated[str, typer.Argument(metavar="ID", help=ID_HELP)],
    recipe: RecipeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Tell where something comes from.

    Its seed and sources, rewrite, samples, grades, key, decisions, cost and releases.
    """
    from cli.explaining import show_explanation

    show_explanation(identifier, recipe, as_json=as_json)


@app.command()
def lineage(
    identifier: Annotated[str, typer.Argument(metavar="ID", help=ID_HELP)],
    recipe: RecipeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The chain as JSON.")] = False,
) -> None:
    """Trace a pair to the row of the file that it began as.

    Pair, response, prompt, what that was made of, seed, file and row.
    """
    from cli.lineage import show_lineage

    show_lineage(identifier, recipe, as_json=as_json)


@app.command()
def review(
    recipe: RecipeArgument = None,
    out: Annotated[
        Path | None, typer.Option("--export", help="Write the prompts that need one, as JSONL.")
    ] = None,
    back: Annotated[
        Path | None, typer.Option("--import", help="Take the answers of such a file as keys.")
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option(help="Who answered, where a row does not say it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --export.")] = False,
) -> None:
    """Have people give the keys that no vote could.

    Fill in `answer`, or `refuse` with the reason why there can be none.
    """
    from cli.reviewing import review as carry_reviews

    typer.echo(carry_reviews(recipe, out, back, reviewer, force=force))


@app.command()
def compare(
    recipe: Annotated[Path, typer.Argument(help="The recipe.")],
    first: Annotated[
        str,
        typer.Argument(help="A policy (a preset's name, or `recipe`) or a verifier: math@1."),
    ],
    second: Annotated[str, typer.Argument(help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Compare what two policies would keep, or what two versions of a verifier say.

    Makes no model call and changes nothing.
    """
    from cli.comparing import show_comparison

    show_comparison(recipe, first, second, as_json=as_json)


@app.command("reprofile")
def reprofile_pool(
    recipe: RecipeArgument = None,
    student: Annotated[
        str | None,
        typer.Option(help="The new checkpoint's model name; the recipe's student if absent."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="The student to compare with; the last other one if absent.")
    ] = None,
    override: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Measure a new checkpoint on the whole pool and say what has moved.

    The old figures stay beside the new ones. Decides, teaches and releases nothing.
    """
    from cli.reprofiling import reprofile

    named = [f"models.student.model={student}"] if student else []
    reprofile(recipe, [*(override or ()), *named], against, as_json=as_json)


@app.command()
def simulate(
    items: Annotated[
        list[Path] | None,
        typer.Option("--items", help="JSONL of problems; the bundled seeds if absent."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    settings: Annotated[str, typer.Option(help="The simulator's settings as JSON.")] = "{}",
) -> None:
    """Serve simulated models over the OpenAI protocol until Ctrl-C."""
    from cli.project import ROOT
    from tasks.simulator.__main__ import main

    known = items or sorted((ROOT / "seeds").glob("*.jsonl"))
    arguments = [argument for item in known for argument in ("--items", str(item))]
    raise typer.Exit(main([*arguments, "--port", str(port), "--settings", settings]))


@app.command()
def serve(
    recipe: Annotated[
        Path | None,
        typer.Argument(
            help="What all deployments run; else $TEACHSET_RECIPE or ./recipe.yaml, else each what "
            "the deployments' file says.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="4200 if absent.")] = None,
    notify: Annotated[
        str | None,
        typer.Option(metavar="TYPE/NAME", help="A notification block, e.g. slack-webhook/alerts."),
    ] = None,
    deployments: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="What to run and when, instead of prefect.yaml.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Another than loopback needs PREFECT_SERVER_API_AUTH_STRING.")
    ] = "127.0.0.1",
    pages_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Of releases' reports; the next after --port."),
    ] = None,
) -> None:
    """Serve Prefect's UI, run the schedules and show releases' reports.

    The deployments are those of prefect.yaml, what happens by itself is in automations.yaml;
    Ctrl-C stops everything.
    """
    from cli.serving import serve as serve_everything

    serve_everything(recipe, port, notify, deployments, host, pages_port)


@app.command()
def doctor(
    recipe: RecipeArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
) -> None:
    """Look for what is wrong and say how to mend it; exit 1 if there is a problem.

    Environment, keys (by name only), model servers, store, Prefect. Changes nothing.
    """
    from cli.doctor.report import examine

    raise typer.Exit(examine(recipe, as_json=as_json))


@app.command()
def automations(
    notify: Annotated[
        str | None,
        typer.Option(metavar="TYPE/NAME", help="A notification block, e.g. slack-webhook/alerts."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Make those anew that are there already.")
    ] = False,
) -> None:
    """Register what Prefect does by itself: automations.yaml.

    Pause the schedule behind a closed gate; with --notify, tell of gates, budgets and releases.
    """
    from cli.automating import register

    register(notify, replace=replace)


@app.command()
def schema(
    file: Annotated[
        Path | None, typer.Argument(help="Where to write it, e.g. recipes/recipe.schema.json.")
    ] = None,
) -> None:
    """Write the JSON Schema of recipes.

    Editors check a recipe with it; it goes to stdout if no file is named.
    """
    from tasks.recipe import recipe_schema
    from tasks.whole_files import write_whole

    if file is None:
        typer.echo(recipe_schema(), nl=False)
    else:
        write_whole(file, recipe_schema().encode())
        typer.echo(f"{file}")


@app.command()
def verify(
    release: Annotated[
        str, typer.Argument(help="A release's folder, or s3://bucket/prefix, hf://org/name.")
    ],
    endpoint: Annotated[
        str | None, typer.Option(help="The server, where not Amazon's or huggingface.co.")
    ] = None,
    token_env: Annotated[
        str | None, typer.Option(help="The variable with the hub's token; HF_TOKEN if absent.")
    ] = None,
) -> None:
    """Check a release against its manifest, in its folder or where it was published.

    Every hash and count is recomputed from the files; of a bucket or a hub one file at a time.
    `hf://org/name@release` is that release, without @ the newest; so is a prefix of releases.
    """
    from cli.boundary import plain
    from tasks.errors import TeachsetError
    from tasks.release.remote import find_place
    from tasks.release.verify import verify_release

    place = find_place(release, endpoint, token_env)
    verified = verify_release(place)
    if verified.faults:
        listed = "".join(f"\n  {plain(fault)}" for fault in verified.faults)
        raise TeachsetError(f"{place.name}: this release is not what was published:{listed}")
    typer.echo(f"{place.name}: whole; release {verified.release_id}, {verified.pairs:,} pairs")


@app.command()
def diff(
    before: Annotated[
        str, typer.Argument(help="A release's folder, or s3://bucket/prefix, hf://org/name.")
    ],
    after: Annotated[str, typer.Argument(help="Another one, e.g. releases/latest.")],
    endpoint: Annotated[
        str | None, typer.Option(help="The server, where not Amazon's or huggingface.co.")
    ] = None,
    token_env: Annotated[
        str | None, typer.Option(help="The variable with the hub's token; HF_TOKEN if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Say what changed from one release to another, wherever they lie.

    Pairs that moved to the other split, that were added, removed and changed by domain, of how many
    the key, the pass rate or the licence is another, and the settings that differ.
    """
    from cli.diffing import show_difference

    show_difference(before, after, endpoint, token_env, as_json=as_json)


def run() -> None:
    """Start the console; the exit code is the command's."""
    if "prefect" not in sys.modules:
        # A dependency's deprecations are nothing that a user can act on.
        warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # In a locale that lacks a character it is spelt.
            stream.reconfigure(errors="backslashreplace")
    prepare_environment()
    watch_for_interruptions()
    write_defects_down()
    leave_pandas_out()
    try:
        app(prog_name="teachset")
    finally:  # All is saved; a late Ctrl-C must not interrupt Python's own exit with a traceback.
        gc.freeze()  # Nor has that exit to look for garbage.
        for late in (signal.SIGINT, signal.SIGTERM):
            signal.signal(late, lambda *_: os._exit(INTERRUPTED))


def _ended(error: BaseException) -> BaseException:
    if any(each.__module__.split(".")[0] in {"typer", "click"} for each in type(error).__mro__):
        return error  # how typer itself ends a command
    from cli.boundary import explain_failure

    message, code = explain_failure(error)
    typer.echo(f"teachset: {message}", err=True)
    return SystemExit(code)


if __name__ == "__main__":
    run()
