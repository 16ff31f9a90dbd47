"""Makes sentences out of templates: `[a|b]` is one of several, `{key}` a word of the story."""

import random
import re

from words import ANIMALS, BOYS, GIRLS, TRAITS

INNERMOST = re.compile(r"\[([^\[\]]*)\]")
VOWEL_AN = re.compile(r"\b([Aa]) (?=[aeiouAEIOU])(?!u(?:se|ni)|one|eu)")
START = re.compile(r"(^|[.!?]\"?\s+\"?|^\")([a-z])")
SPEAKER = re.compile(
    r"([!?]\" )((?:[Hh]e |[Ss]he |[Ii]t |[Tt]hey )?(?:[Ss]aid|[Aa]sked|[Cc]alled)\b)")


def expand(rng: random.Random, template: str, words: dict) -> str:
    """Choices first (innermost out), then words, so that a word may hold a choice too."""
    text = template
    for _ in range(6):
        before = text
        while INNERMOST.search(text):
            text = INNERMOST.sub(lambda m: rng.choice(m.group(1).split("|")), text)
        text = re.sub(r"\{(\w+)\}", lambda m: str(words[m.group(1)]), text)
        if text == before:
            break
    return text


def polish(text: str) -> str:
    """Spaces, `a` before a vowel, and capital letters at the start of sentences."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\s+([.,!?])", r"\1", text)
    text = VOWEL_AN.sub(r"\1n ", text)
    text = START.sub(lambda m: m.group(1) + m.group(2).upper(), text)
    return SPEAKER.sub(lambda m: m.group(1) + m.group(2).lower(), text)


def person(rng: random.Random, prefix: str, animal_share: float, taken: set, fixed: dict) -> dict:
    """Words for one character: name, kind and pronouns, under keys that begin with `prefix`."""
    sex = fixed.get("sex") or rng.choice("fm")
    names = [n for n in (GIRLS if sex == "f" else BOYS) if n not in taken]
    name = fixed.get("name") or rng.choice(names)
    kind = fixed.get("kind")
    if kind is None:
        kinds = [a for a in ANIMALS if a not in taken]
        human = "girl" if sex == "f" else "boy"
        kind = rng.choice(kinds) if rng.random() < animal_share or human in taken else human
    taken.update((name, kind))
    trait = rng.choice(TRAITS)
    she = sex == "f"
    return {
        prefix: name,
        f"{prefix}_kind": kind,
        f"{prefix}_the": f"the {rng.choice(['little', 'young', 'small'])} {kind}",
        f"{prefix}_full": f"a {trait} {kind} named {name}",
        f"{prefix}_trait": trait,
        f"{prefix}_he": "she" if she else "he",
        f"{prefix}_him": "her" if she else "him",
        f"{prefix}_his": "her" if she else "his",
        f"{prefix}_self": "herself" if she else "himself",
    }
