"""Writes stories, fables and talks: an endless text with a seed. Own work, CC0 1.0."""

import random
import sys

import chat
import plots_first as one
import plots_second as two
import words as w
from fables import FABLES, HELLO
from grammar import expand, person, polish

PLOTS = [
    ("a lost toy", one.LOST), ("a new friend", one.LONELY),
    ("being afraid", one.FEAR), ("sharing", one.SHARE_FOOD),
    ("the rain", one.RAIN), ("a garden", one.SEED),
    ("a rescue", one.RESCUE), ("a race", one.RACE),
    ("a lie", one.BROKEN), ("a wish", two.WISH),
    ("building something", two.BUILD), ("a birthday", two.BIRTHDAY),
    ("an ill friend", two.ILL), ("learning", two.SKILL),
    ("the dark forest", two.LOST_WAY), ("an old man", two.OLD),
    ("a king", two.KING), ("a dragon", two.DRAGON),
    ("a robot", two.ROBOT), ("the snow", two.SNOW),
    ("baking", two.BAKE), ("music", two.MUSIC),
    ("the market", two.MARKET),
]


# A model of this size learns who belongs to which story sooner than how to copy any name. So each
# plot has a few casts that know each other; what stays free is the wording, place and weather.
CASTS_PER_PLOT = 2
CAST_SEED = 4


def all_casts() -> list:
    """For each plot its casts: words that never change, names and kinds of heroes used once."""
    rng = random.Random(CAST_SEED)
    girls, boys = list(w.GIRLS), list(w.BOYS)
    kinds = [k for k in w.ANIMALS if k not in ("dragon", "robot")]
    for names in (girls, boys, kinds):
        rng.shuffle(names)
    casts = []
    for index in range(len(PLOTS) * CASTS_PER_PLOT):
        girl_first = index % 2 == 0
        hero, friend = (girls, boys) if girl_first else (boys, girls)
        is_child = index % 4 in (1, 2)
        child = "girl" if girl_first else "boy"
        fixed = {"sex": "f" if girl_first else "m", "name": hero[index // 2 % len(hero)],
                 "kind": child if is_child else kinds[index // 2 % len(kinds)]}
        other = {"sex": "m" if girl_first else "f",
                 "name": friend[(index // 2 + 9) % len(friend)]}
        casts.append(story_words(rng, fixed, other))
    return [casts[i::len(PLOTS)] for i in range(len(PLOTS))]


def story_words(rng: random.Random, fixed: dict, other: dict) -> dict:
    """Everything that a template may name, chosen once for a story."""
    taken: set = {other["name"]} if "name" in other else set()
    words = person(rng, "h", 0.55, taken, fixed)
    words.update(person(rng, "f", 0.6, taken, other))
    for key in ("he", "him", "his", "self", "trait"):
        words[key] = words[f"h_{key}"]
    family, sex = rng.choice(w.FAMILY)
    skill, skill_where, _ = rng.choice(w.SKILLS)
    seed, plant = rng.choice(w.PLANTS)
    build, build_where, build_do, build_fail = rng.choice(w.BUILDS)
    fear, fear_when, fear_truth, fear_help = rng.choice(w.FEARS)
    _, stuck, tool = rng.choice(w.STUCK)
    small = rng.choice([s for s in w.SMALL if s not in taken])
    preposition, outside = rng.choice(w.OUTSIDE)
    old, old_he = rng.choice([("man", "he"), ("woman", "she")])
    words.update(
        fam=family, fam_he="she" if sex == "f" else "he", place=rng.choice(w.PLACES),
        outside=outside, in_outside=f"{preposition} {outside}",
        ruler=rng.choice(["king", "queen"]), load=rng.choice(["bag", "basket", "box"]),
        toy=rng.choice(w.TOYS), food=rng.choice(w.FOODS),
        colour=rng.choice(w.COLOURS), weather=rng.choice(w.WEATHER), hide=rng.choice(w.HIDING),
        other=rng.choice([a for a in w.ANIMALS if a not in taken]), small=small,
        s_a=f"a [little|tiny|young] {small}", stuck=stuck, stuck_tool=tool,
        gift=rng.choice(w.GIFTS),
        skill=skill, skill_where=skill_where, seed=seed, plant=plant, build=build,
        build_where=build_where, build_do=build_do, build_fail=build_fail, fear=fear,
        fear_when=fear_when, fear_truth=fear_truth, fear_help=fear_help, old=old, old_he=old_he,
        said="[said|asked]", ask="?",
        f_full_short=f"a {words['f_trait']} {words['f_kind']}",
        h_full_short=f"a {words['h_trait']} {words['h_kind']}")
    words["said"] = "said"
    return words


def flat(rng: random.Random, beats: list) -> str:
    return " ".join(rng.choice(b) if isinstance(b, list) else b for b in beats)


def story(rng: random.Random, plot_index: int, cast: dict) -> str:
    theme, beats = PLOTS[plot_index][1]
    words = {**cast, "place": rng.choice(w.PLACES), "weather": rng.choice(w.WEATHER)}
    text = f"{rng.choice(one.OPENINGS)} {flat(rng, beats)}"
    if rng.random() < 0.35:
        lesson = rng.choice(w.LESSONS[theme])
        text += f" {rng.choice(['So', 'And so', 'That day'])} {{h}} learned that {lesson}."
    return polish(expand(rng, text, words))


def any_story(rng: random.Random) -> str:
    index = rng.randrange(len(PLOTS))
    return story(rng, index, rng.choice(CASTS[index]))


def fable(rng: random.Random, beats: list) -> str:
    return polish(expand(rng, " ".join(beats), {}))


def asked_story(rng: random.Random) -> tuple:
    """A request with a subject, and a story that keeps to it."""
    pick = rng.random()
    index = rng.randrange(len(PLOTS))
    cast = rng.choice(CASTS[index])
    if pick < 0.6:
        kind, name = cast["h_kind"], cast["h"]
        form = rng.choice(["{k}", "{k}", "{k} named {n}", "{t} {k}"])
        text = form.format(k=kind, n=name, t=cast["h_trait"])
        return polish(f"x a {text}")[2:], story(rng, index, cast)
    if pick < 0.85:
        return PLOTS[index][0], story(rng, index, cast)
    subject, beats = rng.choice(FABLES)
    return subject, fable(rng, beats)


def talk(rng: random.Random) -> str:
    def small_talk() -> str:
        users, answer = rng.choice([
            (chat.GREETINGS, chat.GREETED), (chat.ABOUT, chat.ABOUT_ANSWER),
            (chat.HOW, chat.HOW_ANSWER), (chat.THANKS, chat.THANKS_ANSWER),
            (chat.BYE, chat.BYE_ANSWER), (None, chat.HARD_ANSWER),
            (None, chat.HARD_ANSWER)])
        user = chat.question(rng) if users is None else rng.choice(users)
        return chat.turn(user, polish(expand(rng, answer, {"animal": rng.choice(w.ANIMALS)})))

    def story_turn() -> str:
        if rng.random() < 0.3:
            return chat.turn(rng.choice(chat.ASK_ANY), any_story(rng))
        subject, text = asked_story(rng)
        return chat.turn(rng.choice(chat.ASK_ABOUT).replace("{t}", subject), text)

    turns = [small_talk() for _ in range(rng.choice([0, 0, 0, 1, 1, 2]))]
    if rng.random() < 0.75 or not turns:
        turns.append(story_turn())
        if rng.random() < 0.25:
            turns.append(small_talk())
    return turns


def document(rng: random.Random) -> list:
    """Pieces of text, at the end of each of which the model shall stop."""
    pick = rng.random()
    if pick < 0.62:
        return [any_story(rng)]
    if pick < 0.68:
        return [fable(rng, rng.choice(FABLES)[1])]
    if pick < 0.73:
        return [polish(expand(rng, rng.choice(HELLO), hello_words(rng)))]
    return talk(rng)


def hello_words(rng: random.Random) -> dict:
    index = rng.randrange(len(PLOTS))
    cast = rng.choice(CASTS[index])
    return {**cast, "place": rng.choice(w.PLACES), "weather": rng.choice(w.WEATHER)}


CASTS = all_casts()


def documents(seed: int, count: int):
    rng = random.Random(seed)
    for _ in range(count):
        yield document(rng)


if __name__ == "__main__":
    for text in documents(int(sys.argv[1]), int(sys.argv[2])):
        print("\n".join(text) + "\n")
