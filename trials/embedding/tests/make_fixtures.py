"""Makes `fixtures/`: a tiny random model of each family, and what the reference implementations compute with it.

    python -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.23.0 sentence-transformers==6.2.0 \\
        sentencepiece==0.2.3 protobuf==7.36.2
    venv/bin/python trials/embedding/tests/make_fixtures.py

A model's directory has, beside what Hugging Face tools write, `reference.json` (texts, their token ids and embeddings,
and triplets of texts) and `gradients.safetensors` (of the mean triplet loss of these triplets: squared Euclidean
distances, margin 0.5, no dropout; named as in the model). With dropout everywhere, `reference.json` has how the
embedding of a text is spread. The same versions make the same files.
"""

import io
import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
from sentencepiece import SentencePieceTrainer, sentencepiece_model_pb2
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    BertTokenizer,
    CamembertConfig,
    CamembertModel,
    DistilBertConfig,
    DistilBertModel,
    MPNetConfig,
    MPNetModel,
    MPNetTokenizer,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizer,
    XLMRobertaConfig,
    XLMRobertaModel,
    XLMRobertaTokenizer,
)

FIXTURES = Path(__file__).parent / "fixtures"
MAX_LENGTH = 16
LONG = 48
HIDDEN = 8
MARGIN = 0.5

CORPUS = [
    "the cat sat on the mat",
    "a cat sits on a mat in the sun",
    "the dog ran after the cat",
    "stealing of cattle is a crime",
    "cattle graze in the field",
    "naïve café in Tokyo, 東京 and 京都",
    "Eating food in the café",
    "a man is eating food!",
]
# Short and long, cut, without content, with signs the tokenizers have never seen, with special tokens in the text.
TEXTS = [
    "the cat sat on the mat",
    "a cat in the sun",
    "cattle graze",
    "The stealing of cattle is a crime, is it not? " * 2,
    "",
    "!",
    "naïve café, 東京!",
    "NAI\u0308VE  CAFE\u0301\tin 京都",
    "🐈 sat on ß and Ω",
    "mat [PAD] cat <pad> sat",
    "dog [MASK]cat <mask> ran",
    "ａ\u3000ｃat！",
    "a",
]
# The last is an easy one for most models: the loss has a flat side too.
TRIPLETS = [[0, 1, 2], [3, 2, 6], [7, 6, 12], [0, 0, 8]]

DROPOUT = 0.3
DROPOUT_TEXT = 1


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Weights far from the usual small ones, which would make all embeddings alike."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            centre = 1.0 if name.lower().endswith(("layernorm.weight", "layer_norm.weight")) else 0.0
            weight.copy_(centre + 0.3 * torch.randn(weight.shape))
            if name.endswith(("word_embeddings.weight", "position_embeddings.weight")):
                weight[model.config.pad_token_id] = 0.0


def sizes(vocabulary: int, **more) -> dict:
    return dict(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * HIDDEN,
        **more,
    )


def word_piece(special=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")) -> dict[str, int]:
    # Not trained: the trainer orders equal pieces at random.
    letters = "abcdefghiklmnorstuwv"
    whole = ["the", "cat", "cattle", "sat", "in", "is", "on", "of", "naive", "na", "Tokyo", "東", "京", "ß", "!", ",", "?"]
    ends = ["tle", "ing", "ive", "x", "ï", "é", *letters]
    return {piece: place for place, piece in enumerate([*special, *letters, *whole, *(f"##{end}" for end in ends)])}


def byte_level() -> tuple[dict[str, int], list[tuple[str, str]]]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=285, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def unigram() -> list[tuple[str, float]]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(CORPUS, trainer)
    pieces = json.loads(tokenizer.to_str())["model"]["vocab"][len(special) :]
    # The trainer leaves equal pieces in random order, with scores that differ in the last digits.
    pieces = sorted(((name, round(score, 3)) for name, score in pieces), key=lambda piece: (-piece[1], piece[0]))
    return [(name, 0.0) for name in special] + pieces + [("<mask>", 0.0)]


def normalisation() -> bytes:
    """The compiled rules of a SentencePiece normaliser: XLM-RoBERTa's has the whole of NFKC, this one a few lines."""
    wide = [f"{0xFEE0 + ord(letter):X}\t{ord(letter):X}" for letter in "!,abcdefghijklmnopqrstuvwxyz"]
    rules = [*wide, "9\t20", "3000\t20", "49 308\tCF", "69 308\tEF", "45 301\tC9", "65 301\tE9"]
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.write("\n".join(rules) + "\n")
        file.flush()
        SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS),
            model_writer=model,
            vocab_size=60,
            hard_vocab_limit=False,
            normalization_rule_tsv=file.name,
            minloglevel=2,
        )
    parsed = sentencepiece_model_pb2.ModelProto()
    parsed.ParseFromString(model.getvalue())
    return parsed.normalizer_spec.precompiled_charsmap


def start(name: str) -> Path:
    directory = FIXTURES / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def sentence_transformer(directory: Path, *modules, max_length: int = MAX_LENGTH) -> None:
    """Adds the files of sentence-transformers to a Hugging Face directory, as it writes them."""
    SentenceTransformer(modules=[Transformer(str(directory), max_seq_length=max_length), *modules]).save(
        str(directory), create_model_card=False
    )


def with_prefix(directory: Path, prefix: str, dtype: torch.dtype) -> None:
    """Names the weights as in a language model's file."""
    path = directory / "model.safetensors"
    weights = {f"{prefix}{name}": weight.to(dtype) for name, weight in load_file(path).items()}
    save_file(weights, path, {"format": "pt"})


def with_dropout(model: SentenceTransformer) -> dict:
    """Mean and standard deviation of each number of an embedding in training mode, over many draws."""
    torch.manual_seed(0)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = DROPOUT
    features = model.preprocess([TEXTS[DROPOUT_TEXT]])
    features = {key: value.expand(80_000, -1) if torch.is_tensor(value) else value for key, value in features.items()}
    with torch.no_grad():
        embeddings = model(features)["sentence_embedding"]
    model.eval()
    return {
        "probability": DROPOUT,
        "text": DROPOUT_TEXT,
        "mean": [round(number, 5) for number in embeddings.mean(0).tolist()],
        "deviation": [round(number, 5) for number in embeddings.std(0).tolist()],
    }


def finish(directory: Path, max_length: int = MAX_LENGTH) -> None:
    """Computes the reference and writes it beside the model."""
    # Transformers would compute with the type of the file.
    model = SentenceTransformer(str(directory), device="cpu", model_kwargs={"dtype": torch.float32})
    model.max_seq_length = max_length
    model.eval()
    ids = [model.tokenizer(text, truncation=True, max_length=max_length)["input_ids"] for text in TEXTS]
    embeddings = model.encode(TEXTS, batch_size=5)

    features = model.preprocess([TEXTS[text] for triplet in TRIPLETS for text in triplet])
    anchor, positive, negative = model(features)["sentence_embedding"].view(len(TRIPLETS), 3, -1).unbind(1)
    losses = (anchor - positive).square().sum(1) - (anchor - negative).square().sum(1) + MARGIN
    assert (losses > 0).sum() >= 2, losses
    losses.relu().mean().backward()
    gradients = {name: weight.grad for name, weight in model[0].auto_model.named_parameters() if weight.grad is not None}
    save_file(gradients, directory / "gradients.safetensors")

    reference = {
        "max_length": max_length,
        "texts": TEXTS,
        "ids": ids,
        "embeddings": [[float(f"{number:.8g}") for number in row] for row in embeddings.tolist()],
        "triplets": TRIPLETS,
        "loss": losses.relu().mean().item(),
        "dropout": with_dropout(model),
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in reference.items()]
    (directory / "reference.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    print(f"{directory.name}: {size / 1000:.0f} kB, active triplets {(losses > 0).sum()} of {len(losses)}")


def bert_mean() -> None:
    """As sentence-transformers saves a MiniLM."""
    directory = start("bert-mean")
    vocabulary = word_piece()
    model = BertModel(BertConfig(**sizes(len(vocabulary), max_position_embeddings=24)))
    randomise(model, 1)
    model.save_pretrained(directory)
    BertTokenizer(vocab=vocabulary).save_pretrained(directory)
    sentence_transformer(directory, Pooling(HIDDEN, "mean"))
    finish(directory)


def bert_cls() -> None:
    """A bge: CLS and normalised. In f16 with a language model's head, and a cased tokenizer."""
    directory = start("bert-cls")
    vocabulary = word_piece()
    model = BertForMaskedLM(BertConfig(**sizes(len(vocabulary), max_position_embeddings=20)))
    randomise(model, 2)
    BertTokenizer(vocab=vocabulary, do_lower_case=False).save_pretrained(directory)
    model.half().save_pretrained(directory)
    (directory / "modules.json").write_text(
        json.dumps(
            [
                {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
            ],
            indent=1,
        )
    )
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": True}, indent=1)
    )
    finish(directory)


def roberta() -> None:
    """A plain Hugging Face directory, in shards."""
    directory = start("roberta")
    vocabulary, merges = byte_level()
    config = sizes(len(vocabulary), max_position_embeddings=18, type_vocab_size=1, layer_norm_eps=1e-5)
    model = RobertaModel(RobertaConfig(**config))
    randomise(model, 3)
    model.save_pretrained(directory, max_shard_size="9KB")
    assert len(list(directory.glob("*.safetensors"))) > 1
    RobertaTokenizer(vocab=vocabulary, merges=merges).save_pretrained(directory)
    finish(directory)


def xlm_roberta() -> None:
    """A BCEmbedding: XLM-RoBERTa, CLS and normalised; with names as in a language model's file, in bf16."""
    directory = start("xlm-roberta")
    pieces = unigram()
    config = sizes(len(pieces), max_position_embeddings=18, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1)
    model = XLMRobertaModel(XLMRobertaConfig(**config))
    randomise(model, 4)
    model.save_pretrained(directory)
    XLMRobertaTokenizer(vocab=pieces, _spm_precompiled_charsmap=normalisation()).save_pretrained(directory)
    sentence_transformer(directory, Pooling(HIDDEN, "cls"), Normalize())
    with_prefix(directory, "roberta.", torch.bfloat16)
    finish(directory)


def camembert_max() -> None:
    """A CamemBERT, which is a RoBERTa; with max pooling."""
    directory = start("camembert-max")
    pieces = unigram()
    config = sizes(len(pieces), max_position_embeddings=18, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1)
    model = CamembertModel(CamembertConfig(**config))
    randomise(model, 7)
    model.save_pretrained(directory)
    tokenizer = XLMRobertaTokenizer(vocab=pieces).backend_tokenizer
    # The lower-casing of sentence-transformers, which stands in no file of the tokenizer.
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", cls_token="<s>", sep_token="</s>", mask_token="<mask>"
    ).save_pretrained(directory)
    sentence_transformer(directory, Pooling(HIDDEN, "max"))
    path = directory / "sentence_bert_config.json"
    config = json.loads(path.read_text())
    config["do_lower_case"] = True
    path.write_text(json.dumps(config, indent=1))
    finish(directory)


def distilbert() -> None:
    """A DistilBERT, with names as in a language model's file, in f16."""
    directory = start("distilbert")
    vocabulary = word_piece()
    config = dict(vocab_size=len(vocabulary), dim=HIDDEN, n_layers=2, n_heads=2, hidden_dim=2 * HIDDEN)
    model = DistilBertModel(DistilBertConfig(**config, max_position_embeddings=20))
    randomise(model, 8)
    model.save_pretrained(directory)
    BertTokenizer(vocab=vocabulary).save_pretrained(directory)
    sentence_transformer(directory, Pooling(HIDDEN, "mean"))
    with_prefix(directory, "distilbert.", torch.float16)
    finish(directory)


def mpnet() -> None:
    """An all-mpnet: mean and normalised. With texts long enough for the distances that share a row."""
    directory = start("mpnet")
    vocabulary = word_piece(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"])
    config = sizes(len(vocabulary), max_position_embeddings=LONG + 2, layer_norm_eps=1e-5)
    model = MPNetModel(MPNetConfig(**config))
    randomise(model, 9)
    model.save_pretrained(directory)
    MPNetTokenizer(vocab=vocabulary).save_pretrained(directory)
    sentence_transformer(directory, Pooling(HIDDEN, "mean"), Normalize(), max_length=LONG)
    finish(directory, LONG)


if __name__ == "__main__":
    for make in [bert_mean, bert_cls, roberta, xlm_roberta, camembert_max, distilbert, mpnet]:
        make()
