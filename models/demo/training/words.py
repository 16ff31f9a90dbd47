"""Words that the stories are made of. Own work, dedicated to the public domain (CC0 1.0)."""

GIRLS = """Mia Anna Lily Rosa Emma Ella Nora Ivy Clara Lucy Zoe Ruby Maya Alice Nina Sara Molly
Hanna Julia Eva Tessa Olive Daisy Pia Greta Wilma Flora Stella June Hazel""".split()
BOYS = """Tom Ben Max Leo Sam Finn Oscar Jack Theo Paul Emil Noah Luke Hugo Felix Otto Adam
Jonas Milo Peter Simon Henry Oliver Robin Karl Anton Toby Will Arthur Ned""".split()

ANIMALS = """fox rabbit bear mouse hedgehog squirrel owl frog duck cat dog goat pony badger
otter beaver sparrow turtle lamb piglet kitten puppy hen goose deer mole crow wolf lion
elephant monkey penguin dragon robot bee snail""".split()
SMALL = """mouse sparrow frog kitten puppy bee snail lamb mole hen duck rabbit hedgehog
squirrel robin butterfly ladybird""".split()
GIRL_OR_BOY = {"f": ("girl", "princess", "farmer", "baker"),
               "m": ("boy", "prince", "farmer", "baker")}

TRAITS = "little kind brave curious clever shy cheerful gentle small quiet happy young".split()
PLACES = [
    "a small village",
    "a quiet valley",
    "a green forest",
    "a little house by the sea",
    "an old mill",
    "a town by the river",
    "a cottage on a hill",
    "a warm house near the woods",
    "a farmhouse with a red barn",
    "a tall house with a blue door",
    "a meadow full of flowers",
    "an old lighthouse",
    "a little wooden house",
    "a snowy mountain village",
]
OUTSIDE = [("in", "the garden"), ("in", "the forest"), ("in", "the park"), ("in", "the meadow"),
           ("on", "the beach"), ("in", "the field"), ("in", "the yard"), ("in", "the orchard"),
           ("on", "the hill"), ("by", "the river"), ("in", "the woods"), ("by", "the lake")]
TOYS = [
    "red ball",
    "blue kite",
    "wooden boat",
    "toy train",
    "rag doll",
    "silver whistle",
    "yellow hat",
    "teddy bear",
    "green scarf",
    "little drum",
    "picture book",
    "paper plane",
    "golden key",
    "warm blanket",
    "wooden horse",
    "small lantern",
    "striped sock",
    "spinning top",
]
FOODS = [
    "apples",
    "cake",
    "bread",
    "butter biscuits",
    "honey",
    "cheese",
    "berries",
    "pie",
    "cookies",
    "pancakes",
    "carrots",
    "nuts",
    "pears",
    "cherries",
    "porridge",
    "jam",
]
COLOURS = "red blue green yellow white golden silver orange purple brown".split()
WEATHER = ["The sun was shining", "The sky was blue", "It was a warm day", "It was a cold morning",
           "A soft wind was blowing", "It was a bright spring morning", "The birds were singing",
           "It was a cool autumn day", "The snow was white and deep", "The air was fresh"]
FAMILY = [("mother", "f"), ("father", "m"), ("grandmother", "f"), ("grandfather", "m"),
          ("big sister", "f"), ("big brother", "m"), ("aunt", "f"), ("uncle", "m")]
HIDING = ["under the bed", "behind the door", "in the tall grass", "under a big leaf",
          "behind the old tree", "under the bench", "in the hay", "next to the well",
          "between two stones", "under the blanket", "behind the fence", "in a hollow log"]
SKILLS = [("swim", "the lake", "water"), ("ride a bicycle", "the path", "road"),
          ("whistle", "the garden", "tune"), ("climb trees", "the orchard", "branch"),
          ("skate", "the frozen pond", "ice"), ("dance", "the meadow", "music"),
          ("fly a kite", "the hill", "wind"), ("play the drum", "the barn", "sound"),
          ("read", "the library", "book"), ("bake bread", "the kitchen", "dough"),
          ("paint", "the garden", "picture"), ("sing", "the village square", "song")]
PLANTS = [("seed", "sunflower"), ("seed", "tall tree"), ("bean", "long green vine"),
          ("bulb", "red tulip"), ("seed", "big orange pumpkin"), ("seed", "rose bush"),
          ("seed", "little apple tree"), ("seed", "strawberry plant")]
BUILDS = [
    ("boat", "the river", "float", "sank"),
    ("kite", "the hill", "fly", "fell down"),
    ("little house", "the garden", "stand", "fell over"),
    ("bridge", "the stream", "hold", "broke"),
    ("cart", "the road", "roll", "lost a wheel"),
    ("tower", "the yard", "stand", "fell over"),
    ("nest box", "the old tree", "hold", "fell down"),
    ("sledge", "the snowy hill", "slide", "broke"),
    ("raft", "the lake", "float", "sank"),
]
FEARS = [
    ("the dark", "the night was dark", "the stars were shining", "a small lamp"),
    ("thunder", "there was a loud storm", "the clouds were only talking", "a soft song"),
    (
        "deep water",
        "the boat was far out on the lake",
        "the water was clear and calm",
        "a big ring",
    ),
    (
        "high places",
        "there was a high bridge to cross",
        "the view was wide and pretty",
        "a strong hand",
    ),
    (
        "the forest",
        "the way home went through the tall dark trees",
        "the birds were singing",
        "a bright lantern",
    ),
    ("big dogs", "a big dog barked next door", "the dog only wanted to play", "a piece of bread"),
]
STUCK = [
    ("in a tree", "up in an old tree", "a long ladder"),
    ("in a hole", "in a deep hole", "a rope"),
    ("in a net", "in an old net", "a pair of scissors"),
    ("in a bush", "in a thorny bush", "a stick"),
    ("on the ice", "on a piece of ice in the river", "a long branch"),
    ("under a log", "under a heavy log", "a strong stick"),
    ("in the mud", "in the deep mud", "a wide board"),
]
FEELINGS_GOOD = "happy glad proud cheerful thankful".split()
FEELINGS_BAD = "sad lonely worried tired afraid".split()
GIFTS = [
    "a shiny stone",
    "a white feather",
    "a silver bell",
    "a basket of apples",
    "a jar of honey",
    "a warm scarf",
    "a tiny music box",
    "a map of the stars",
    "a golden leaf",
    "a little lantern",
]
LESSONS = {
    "sharing": [
        "[it is good to share|sharing makes everyone happy|a thing is better when it is shared]"
    ],
    "kindness": [
        "[a kind heart always finds a friend|kindness comes back|even a small kind act is a big "
        "help]",
    ],
    "honesty": [
        "[it is best to tell the truth|the truth makes the heart light|a true word is better "
        "than a fine lie]",
    ],
    "courage": [
        "[to be brave is to try even when you are afraid|fear grows small when you look at it]"
    ],
    "patience": [
        "[good things take time|those who wait and work will see the fruit|a little every day "
        "is enough]",
    ],
    "practice": [
        "[nobody can do everything on the first day|one more try is sometimes all it takes]"
    ],
    "friendship": [
        "[a friend is the best treasure|together everything is easier|no day is grey with a friend]"
    ],
    "help": [
        "[many hands make work light|it is no shame to ask for help|we are strong when we work "
        "together]",
    ],
}
