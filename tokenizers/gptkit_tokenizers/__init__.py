"""gptkit_tokenizers: text to ids and back, exact to the byte, by one contract; without torch."""

from gptkit_tokenizers.adapters import adapt, name_of
from gptkit_tokenizers.audit import LossyTokenizer, audit, check_rebuild, check_repeats
from gptkit_tokenizers.base import NeedsText, Tokenizer, TokenizerError, id_dtype, token_lengths
from gptkit_tokenizers.lossy import LossReport, measure_loss
from gptkit_tokenizers.registry import available, get_tokenizer, tokenizer_from_dict

__all__ = [
    "LossReport",
    "LossyTokenizer",
    "NeedsText",
    "Tokenizer",
    "TokenizerError",
    "adapt",
    "audit",
    "available",
    "check_rebuild",
    "check_repeats",
    "get_tokenizer",
    "id_dtype",
    "measure_loss",
    "name_of",
    "token_lengths",
    "tokenizer_from_dict",
]
