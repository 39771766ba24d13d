"""gptkit_tokenizers: text <-> ids, exact to the byte, behind one protocol. Free of torch."""

from gptkit_tokenizers.audit import LossyTokenizer, audit, check_rebuild
from gptkit_tokenizers.base import NeedsText, Tokenizer, TokenizerError, id_dtype, token_lengths
from gptkit_tokenizers.lossy import Damage, damage
from gptkit_tokenizers.registry import available, get_tokenizer, tokenizer_from_dict

__all__ = [
    "Damage",
    "LossyTokenizer",
    "NeedsText",
    "Tokenizer",
    "TokenizerError",
    "audit",
    "available",
    "check_rebuild",
    "damage",
    "get_tokenizer",
    "id_dtype",
    "token_lengths",
    "tokenizer_from_dict",
]
