"""One step of TRL's trainers on the formats of a release, with a model of a few hundred weights.

    train.py RELEASE  →  {"parquet": {"rows": 3, "seen": "<user>What is …", "learnt": "…"}, …}

`seen` is what the trainer made of the first row, token by token and back, `learnt` the part of it
that the loss is taken of. It runs where TRL is installed, and imports nothing of Teachset.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, load_dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.data_utils import maybe_apply_chat_template

TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
FOLDERS = {"parquet": "data", "jsonl": "jsonl", "prompt-completion": "prompt-completion"}


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of single bytes, so that what a trainer saw can be read again exactly."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(["<pad>", "<eos>", *letters])}
    bytewise = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bytewise.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytewise, pad_token="<pad>", eos_token="<eos>"
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return a model that knows nothing."""
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **size, **heads))


def settings(kind: type, folder: str) -> Any:
    """Return what a trainer needs to be told to make one step on a processor."""
    return kind(
        output_dir=folder,
        max_steps=1,
        per_device_train_batch_size=8,
        max_length=None,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )


def fine_tune(rows: Dataset, folder: str) -> dict[str, Any]:
    """Make one step of SFT and say what was made of the first row."""
    tokenizer = make_tokenizer()
    first = rows.select(range(1))
    trainer = SFTTrainer(
        make_model(tokenizer),
        args=settings(SFTConfig, folder),
        train_dataset=rows,
        eval_dataset=first,
        processing_class=tokenizer,
    )
    trainer.train()
    batch = next(iter(trainer.get_eval_dataloader()))
    ids, labels = batch["input_ids"][0], batch["labels"][0]
    return {
        "rows": len(trainer.train_dataset),
        "seen": tokenizer.decode(ids),
        "learnt": tokenizer.decode(ids[labels != -100]),
    }


def prefer(rows: Dataset, folder: str) -> dict[str, Any]:
    """Make one step of DPO and say what was made of the first row."""
    tokenizer = make_tokenizer()
    trainer = DPOTrainer(
        make_model(tokenizer),
        ref_model=make_model(tokenizer),
        args=settings(DPOConfig, folder),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    trainer.train()
    prepared = trainer.train_dataset[0]
    sides = ("prompt", "chosen", "rejected")
    read = {side: tokenizer.decode(prepared[f"{side}_ids"]) for side in sides}
    return {"rows": len(trainer.train_dataset), **read}


def main(release: Path) -> None:
    """Print what the trainers made of each format of a release, as the last line."""
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        told["release"] = {"rows": len(load_dataset(str(release), split="train"))}
        for name, place in FOLDERS.items():
            rows = load_dataset(str(release / place), split="train")
            told[name] = fine_tune(rows, folder)
        rows = load_dataset(str(release / "preference"), split="train")
        told["preference"] = prefer(rows, folder)
    rows = load_dataset(str(release / "rl"), split="train")
    # GRPO would have to generate; what it would ask is known without.
    asked = maybe_apply_chat_template({"prompt": rows[0]["prompt"]}, make_tokenizer())
    told["rl"] = {"rows": len(rows), **asked}
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
