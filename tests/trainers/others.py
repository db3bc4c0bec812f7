"""What LLaMA-Factory and axolotl make of a release, by the code with which they read data.

    others.py RELEASE  →  {"axolotl jsonl": {"rows": 3, "seen": "<user>…", "learnt": "…"}, …}

The lines that docs/releases.md gives for each are read with their own loaders; their trainers are
not run. `learnt` is the part of a row that the loss is taken of. Nothing of Teachset is imported.
"""

import importlib.machinery
import json
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

# LLaMA-Factory imports it for sounds, and what PyPI has of it needs CUDA. Of texts nobody calls it.
sys.modules["torchaudio"] = types.ModuleType("torchaudio")
sys.modules["torchaudio"].__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)

from axolotl.utils.data.wrappers import get_dataset_wrapper  # noqa: E402
from axolotl.utils.dict import DictDefault  # noqa: E402
from datasets import load_dataset  # noqa: E402
from llamafactory.data.loader import get_dataset  # noqa: E402
from llamafactory.data.template import get_template_and_fix_tokenizer  # noqa: E402
from llamafactory.hparams import DataArguments, ModelArguments  # noqa: E402
from train import make_tokenizer  # noqa: E402
from transformers import Seq2SeqTrainingArguments  # noqa: E402

NOT_LEARNT = -100
LLAMA_FACTORY: dict[str, dict[str, Any]] = {
    "sharegpt": {"formatting": "sharegpt", "columns": {"messages": "conversations"}},
    "alpaca": {
        "columns": {
            "prompt": "instruction",
            "query": "input",
            "response": "output",
            "system": "system",
        }
    },
}
AXOLOTL: dict[str, dict[str, Any]] = {
    "jsonl": {"type": "chat_template"},
    "sharegpt": {
        "type": "chat_template",
        "field_messages": "conversations",
        "message_property_mappings": {"role": "from", "content": "value"},
    },
    "alpaca": {"type": "alpaca"},
    "alpaca with system": {"type": "alpaca_w_system.load"},
}


def read_with_llama_factory(release: Path, name: str) -> dict[str, Any]:
    """Load and tokenise a format as `llamafactory-cli train` does."""
    tokenizer = make_tokenizer()
    declared = {"ours": {"hf_hub_url": str(release / name), **LLAMA_FACTORY[name]}}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "dataset_info.json").write_text(json.dumps(declared), encoding="utf-8")
        data = DataArguments(
            template="default", dataset="ours", dataset_dir=folder, cutoff_len=4_096
        )
        made = get_dataset(
            get_template_and_fix_tokenizer(tokenizer, data),
            ModelArguments(model_name_or_path="none"),
            data,
            Seq2SeqTrainingArguments(output_dir=folder, use_cpu=True, do_train=True),
            "sft",
            tokenizer,
        )
    return describe(made["train_dataset"], tokenizer)


def read_with_axolotl(release: Path, name: str) -> dict[str, Any]:
    """Load and tokenise a format as `axolotl preprocess` does."""
    tokenizer = make_tokenizer()
    folder = str(release / name.partition(" ")[0])
    declared = DictDefault({"path": folder, **AXOLOTL[name]})
    settings = DictDefault({"sequence_len": 4_096, "train_on_inputs": False})
    base, _, style = declared.type.partition(":")
    rows = load_dataset(folder, split="train")
    made, _ = get_dataset_wrapper(declared, tokenizer, settings, base, rows, style or None)
    return describe(made, tokenizer)


def describe(rows: Any, tokenizer: Any) -> dict[str, Any]:
    """Say how many rows there are, what the first is, and what is learnt of it."""
    first = rows[0]
    kept = [token for token in first["labels"] if token != NOT_LEARNT]
    return {
        "rows": len(rows),
        "seen": tokenizer.decode(first["input_ids"]),
        "learnt": tokenizer.decode(kept),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    found = {
        f"llamafactory {name}": read_with_llama_factory(folder, name) for name in LLAMA_FACTORY
    }
    found |= {f"axolotl {name}": read_with_axolotl(folder, name) for name in AXOLOTL}
    print(json.dumps(found))
