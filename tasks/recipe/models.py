"""Models: who plays which role, at what price, and how much may be spent."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from tasks.errors import RecipeError
from tasks.recipe.fields import Name, Role, Section
from tasks.simulator.settings import read_settings


def _check_base_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_server = parts.scheme in ("http", "https") and bool(parts.hostname)
        has_secret = "@" in parts.netloc
    except ValueError:
        is_server = has_secret = False
    if not is_server:
        raise ValueError("expected a server's URL, e.g. http://localhost:8000/v1")
    if parts.query or parts.fragment:
        raise ValueError("leave out what follows `?` or `#`: the path of a request comes behind it")
    if has_secret:
        raise ValueError(
            "leave user and password out: it is stored with every answer. Put the key into an "
            "environment variable and its name into `api_key_env`"
        )
    return url


def _check_server(name: str) -> str:
    if not name.strip() or name == "import" or name.startswith("simulator"):
        raise ValueError(
            "expected a name of the server, e.g. our-cluster; `import` and `simulator…` are taken"
        )
    return name


class Prices(Section):
    """US dollars per million tokens. An unknown price makes a cost unknown (null), never zero."""

    input: float | None = Field(default=None, ge=0, description="Of tokens of the prompt.")
    cached_input: float | None = Field(
        default=None, ge=0, description="Of those that the server had cached; `input` if absent."
    )
    output: float | None = Field(default=None, ge=0, description="Of tokens of the answer.")
    reasoning: float | None = Field(
        default=None, ge=0, description="If reasoning tokens are priced apart from the output."
    )


# Fields of a request that the engine sets, and what of the recipe it sets them by. Given in `extra`
# they would change what is asked or paid for behind the back of keys and budget.
_SET_ELSEWHERE: Mapping[str, str] = {
    "model": "set the model's own `model`",
    "messages": "they are the prompt; set `system_prompt` to say more",
    "n": "set how many samples are drawn in `sample`, or `teach.samples`",
    "stream": "answers are read as a whole",
    "response_format": "who has to answer in a form is asked for it",
    "max_tokens": "set `sampling.max_tokens`",
    "max_completion_tokens": "set `sampling.max_tokens`, and `max_tokens_field`",
    "temperature": "set `sampling.temperature`",
    "top_p": "set `sampling.top_p`",
}


class Sampling(Section):
    """What is sent with a request and changes its answer."""

    temperature: float | None = Field(
        default=None, ge=0, le=2, description="The server's own if absent."
    )
    top_p: float | None = Field(default=None, gt=0, le=1, description="The server's own if absent.")
    max_tokens: int | None = Field(
        default=4096,
        ge=1,
        description="The ceiling of an answer, reasoning included; none if null.",
    )
    raise_to: int | None = Field(
        default=None,
        ge=2,
        description=(
            "What was cut off at `max_tokens` is asked again under twice as many, and so on up to "
            "this. Not in batches."
        ),
    )
    extra: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields of the request body, e.g. top_k or reasoning_effort.",
    )

    @field_validator("extra")
    @classmethod
    def _leave_to_the_engine(cls, extra: dict[str, Any]) -> dict[str, Any]:
        faults = [f"`{name}`: {_SET_ELSEWHERE[name]}" for name in extra if name in _SET_ELSEWHERE]
        if faults:
            raise ValueError(f"leave out what has a place of its own ({'; '.join(faults)})")
        return extra

    @model_validator(mode="after")
    def _check_ceilings(self) -> Self:
        if self.raise_to is not None and self.raise_to <= (self.max_tokens or self.raise_to):
            raise ValueError("raise_to must be more than max_tokens, which it is the end of")
        return self


class BatchSettings(Section):
    """How a model is asked in batches (`mode: batch`): OpenAI's Batch API, within a day."""

    poll_interval_s: float = Field(default=60, gt=0, description="How often a batch is asked for.")
    completion_window: str = Field(
        default="24h", min_length=1, description="How long the server may take."
    )
    price_factor: float = Field(
        default=0.5, ge=0, description="What `prices` are multiplied by; OpenAI asks for half."
    )
    prices: Prices | None = Field(
        default=None, description="The prices of a batch themselves, instead of `price_factor`."
    )
    max_requests: int = Field(default=50_000, ge=1, description="Requests in a file at most.")
    max_bytes: int = Field(default=200_000_000, ge=1, description="Bytes in a file at most.")
    when_lost: Literal["stop", "ask_again"] = Field(
        default="stop",
        description="What to do when the server does not know a submitted batch any more.",
    )


class ModelSettings(Section):
    """One model in one role, behind any OpenAI-compatible server."""

    model: str = Field(description="Its name, as the server knows it.")
    base_url: Annotated[str, AfterValidator(_check_base_url)] | None = Field(
        default=None, description="None: the simulator serves it."
    )
    server: Annotated[str, AfterValidator(_check_server)] | None = Field(
        default=None,
        description="What requests know the server by where its address changes, as with every job "
        "of a cluster: any name, or the address it had when its answers were paid for.",
    )
    api_key_env: str | None = Field(
        default=None,
        description="The NAME of the environment variable that holds the key, never the key.",
        pattern=r"^[A-Z_][A-Z0-9_]*$",
    )
    api_key_block: Name | None = Field(
        default=None,
        description="The NAME of the Secret block of Prefect that holds the key, instead.",
    )
    mode: Literal["live", "batch"] = Field(
        default="live",
        description="Call by call, or in batches: cheaper, and done within a day (docs/engine.md).",
    )
    batch: BatchSettings = BatchSettings()
    sampling: Sampling = Sampling()
    prices: Prices = Prices()
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens",
        description="What the server calls the ceiling; the second is sent where it is asked for.",
    )
    system_prompt: str | None = Field(
        default=None, description="Put before the instruction that the answer type asks for."
    )
    send_seed: bool = Field(
        default=True,
        description="Send the sample's index as `seed`; off for servers that refuse the field.",
    )
    max_concurrency: int = Field(
        default=64, ge=1, le=4096, description="Calls under way at once, at most."
    )
    adaptive_concurrency: bool = Field(
        default=True,
        description="Have fewer calls under way where more only wait at the server.",
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        description="A limit to keep to; a lower one that the server names counts as well.",
    )
    tokens_per_minute: int | None = Field(
        default=None, ge=1, description="The same in tokens of prompts and answers."
    )
    timeout_s: float = Field(
        default=600, gt=0, description="Seconds that a call may take from beginning to end."
    )
    max_attempts: int = Field(default=6, ge=1, le=20, description="Attempts of a call in one run.")
    max_outage_s: float = Field(
        default=900, gt=0, description="A server that stays away for longer ends the run."
    )

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        if self.mode == "batch" and self.sampling.raise_to is not None:
            raise ValueError("sampling.raise_to needs `mode: live`; leave it out or the mode")
        return self

    @model_validator(mode="after")
    def _check_seed(self) -> Self:
        if self.send_seed and "seed" in self.sampling.extra:
            raise ValueError(
                "sampling.extra: every sample is sent its index as `seed`, so that no two are "
                "alike; for one seed in all of them set `send_seed: false`"
            )
        return self

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        if self.server is not None and self.base_url is None:
            raise ValueError("server names the server at `base_url`; add that, or leave it out")
        return self

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.api_key_env is not None and self.api_key_block is not None:
            raise ValueError("the key is in api_key_env or in api_key_block; name one of them")
        return self

    @property
    def key_place(self) -> str | None:
        """Say where the key is, in words."""
        if self.api_key_block is not None:
            return f"Prefect's Secret block {self.api_key_block}"
        return self.api_key_env and f"the environment variable {self.api_key_env}"


class EmbedderSettings(ModelSettings):
    """A model that turns a text into numbers, by `/v1/embeddings`, one text a call."""

    prices: Prices = Prices(output=0)

    @field_validator("prices")
    @classmethod
    def _write_nothing(cls, prices: Prices) -> Prices:
        return prices if prices.output is not None else prices.model_copy(update={"output": 0.0})

    @model_validator(mode="after")
    def _check_asked(self) -> Self:
        if self.mode == "batch":
            raise ValueError("an embedder is asked call by call; leave `mode: batch` out")
        if self.sampling.raise_to is not None:
            raise ValueError("an embedding is never cut off; leave sampling.raise_to out")
        return self


class LocalEmbedder(Section):
    """A model that turns a text into numbers on this machine: no server, no call, no price.

    It needs `pip install 'teachset[local]'`; see docs/overlap.md.
    """

    local: str = Field(
        min_length=1,
        description=(
            "The folder of a Model2Vec model, e.g. models/potion-base-8M, relative to the recipe."
        ),
    )
    model: str = Field(
        default="",
        validate_default=True,
        description="What plans and reports call it; the folder's name if left out.",
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_a_server_has(cls, declared: Any) -> Any:
        if not isinstance(declared, Mapping):
            return declared
        of_servers = [name for name in declared if name in ModelSettings.model_fields]
        faults = [
            InitErrorDetails(
                type=PydanticCustomError(
                    "no_server",
                    "is for a model behind a server, and `local` names a folder of this machine; "
                    "leave one of the two out",
                ),
                loc=(name,),
                input=declared[name],
            )
            for name in of_servers
            if name not in cls.model_fields
        ]
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return declared

    @field_validator("model")
    @classmethod
    def _name_after_folder(cls, model: str, others: ValidationInfo) -> str:
        return model or PurePath(others.data.get("local", "")).name


def _read_embedder(declared: Any) -> Any:
    """Say of one kind of embedder what is wrong with it: the kind that its fields speak of."""
    if isinstance(declared, Section):
        return declared
    is_local = isinstance(declared, Mapping) and "local" in declared
    return (LocalEmbedder if is_local else EmbedderSettings).model_validate(declared)


Embedder = Annotated[EmbedderSettings | LocalEmbedder, BeforeValidator(_read_embedder)]


class Models(Section):
    """Who plays which role. A stage that needs a role which is not filled is skipped or refused."""

    router: ModelSettings | None = Field(
        default=None,
        description="A cheap model that says what kind of task a seed is where the rules cannot.",
    )
    rewriter: ModelSettings | None = Field(
        default=None,
        description="Writes new prompts out of seeds; without it there are only seeds.",
    )
    reference: ModelSettings | None = Field(
        default=None, description="A strong model that votes on keys and confirms rewrites."
    )
    confirmer: ModelSettings | None = Field(
        default=None,
        description="A model of another family that confirms keys whose share is too small.",
    )
    student: ModelSettings = Field(
        description="The model that the set is for: it is measured on every prompt."
    )
    students: tuple[ModelSettings, ...] = Field(
        default=(), description="Further students, measured beside the one that is selected for."
    )
    teacher: ModelSettings | None = Field(
        default=None,
        description="Answers what is kept; without it responses made elsewhere are needed.",
    )
    judge: ModelSettings | None = Field(
        default=None,
        description="Rates on rubrics, has the last word on answers, compares prompts with items.",
    )
    judges: tuple[ModelSettings, ...] = Field(
        default=(), description="Further judges; each has votes of its own on every rubric."
    )

    embedder: Embedder | None = Field(
        default=None,
        description=(
            "Makes embeddings, for near-duplicates and test items by meaning: behind a server, or "
            "`local`, in a folder of this machine."
        ),
    )

    def name_of(self, role: Role) -> str | None:
        """Return the name of the model in a role; None if nobody plays it."""
        played = getattr(self, role)
        return None if played is None else str(played.model)

    def each(self) -> Iterator[tuple[str, ModelSettings]]:
        """Yield every model that is asked by its role; further ones are `student 2`, `judge 2`, …

        A local embedder is none of them: it is no server, and nothing is paid for it.
        """
        for role, played in self:
            if isinstance(played, ModelSettings):
                yield role, played
        for number, student in enumerate(self.students, 2):
            yield f"student {number}", student
        for number, judge in enumerate(self.judges, 2):
            yield f"judge {number}", judge

    @property
    def named(self) -> dict[str, list[str]]:
        """What queries bind that are about calls of these models: the role and the name of each."""
        each = list(self.each())
        return {
            "roles": [role.partition(" ")[0] for role, _ in each],
            "models": [settings.model for _, settings in each],
        }


class SimulatorSettings(Section):
    """The models served on loopback when a role names no server (see docs/simulator.md)."""

    seed: int = Field(default=0, description="Another seed, other difficulties and answers.")
    latency: dict[str, Any] = Field(default_factory=dict, description="How long answers take.")
    faults: dict[str, Any] = Field(
        default_factory=dict, description="Shares of answers that go wrong."
    )
    limits: dict[str, Any] = Field(
        default_factory=dict, description="Requests and tokens a minute."
    )
    batches: dict[str, Any] = Field(default_factory=dict, description="How batches go.")
    models: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Models by name: skill, family and more; a new name is a new model.",
    )

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        try:
            read_settings(self.model_dump(mode="json"))
        except RecipeError as error:
            raise ValueError(str(error)) from error
        return self


class Budget(Section):
    """A hard cap over everything the store has ever recorded for this recipe."""

    usd: float | None = Field(
        default=None, ge=0, description="US dollars; every model needs prices."
    )
    tokens: int | None = Field(default=None, ge=0, description="Tokens of prompts and answers.")
    calls: int | None = Field(default=None, ge=0, description="Calls, every attempt counted.")
