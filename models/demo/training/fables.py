"""Old fables, retold in our own simple words, and short pieces that begin with a greeting."""

FABLES = [
    (
        "a lion and a mouse",
        [
            "[Once upon a time|One day], a lion was sleeping in the [grass|shade]. A little "
            "mouse ran over his nose and woke him up. The lion caught the mouse with his big "
            "paw.",
            "\"Please let me go,\" said the mouse. \"One day I will help you.\" The lion "
            "laughed. \"How can a mouse help a lion?\" But he [was in a good mood|was not "
            "hungry] and let the mouse go.",
            "Some days later the lion was caught in a net. He roared, but [he could not get "
            "free|nobody came]. The little mouse heard him. She ran to the lion and bit through "
            "the ropes, one after the other, until he was free.",
            "\"You laughed at me,\" said the mouse, \"but now you see that even a small friend "
            "can be a great help.\" [The lion never laughed at the mouse again.|From that day "
            "on they were friends.]",
        ],
    ),
    (
        "a tortoise and a hare",
        [
            "[Once upon a time|Long ago], a hare laughed at a tortoise because she was so slow. "
            "\"Let us run a race,\" said the tortoise. [The hare thought that this was very "
            "funny.|All the animals came to see it.]",
            "The race began. The hare ran so fast that [soon nobody could see him|the dust "
            "flew]. When he looked back, the tortoise was far behind. \"I have time for a "
            "little sleep,\" said the hare, and he lay down under a tree.",
            "The tortoise walked on and on, step by step. She did not stop. She walked past the "
            "hare, who was [fast asleep|snoring].",
            "When the hare woke up, he ran as fast as he could. But it was too late. The "
            "tortoise was already there. \"Slow and steady wins the race,\" she said [with a "
            "smile|].",
        ],
    ),
    (
        "a thirsty crow",
        [
            "[One hot day|Once upon a time], a crow was very thirsty. She flew over the dry "
            "fields and looked for water. At last she found a jug in a garden.",
            "There was a little water in the jug, but it was too low. Her beak could not reach "
            "it. [She pushed the jug, but it was too heavy.|The crow was sad.]",
            "Then she had an idea. She took a small stone and dropped it into the jug. Then she "
            "dropped another one, and another one. With every stone the water came up a little.",
            "At last the water was high enough, and the crow could drink. [How good it "
            "was!|Little by little does the trick.] ",
        ],
    ),
    (
        "an ant and a grasshopper",
        [
            "[All summer long|Once upon a time, all summer long], a grasshopper sat in the sun "
            "and sang. An ant walked by with a heavy grain on her back. \"Why do you work so "
            "hard?\" asked the grasshopper. \"Come and sing with me!\"",
            "\"I am getting food for the winter,\" said the ant. \"You should do that too.\" "
            "But the grasshopper laughed. \"Winter is far away,\" he said, [and he sang on|and "
            "he played another song].",
            "Then winter came. The snow was deep, and the grasshopper was cold and hungry. He "
            "knocked at the door of the ant. \"Please give me something to eat,\" he said.",
            "The ant [thought of the songs that she had heard all summer|looked at him for a "
            "while]. \"Come in,\" she said. \"But next summer we will work together, and then "
            "we will sing together.\" And so they did.",
        ],
    ),
    (
        "a fox and some grapes",
        [
            "[One day|Once upon a time], a hungry fox saw some fine grapes. They hung high on a "
            "vine. [\"They look so sweet,\" said the fox.|His mouth began to water.]",
            "He jumped, but he could not reach them. He took a long run and jumped again. [He "
            "missed them by a little.|Again he missed.] He tried many times, but the grapes "
            "were too high.",
            "At last the fox was tired. He put his nose in the air and walked away. \"Those "
            "grapes are sour anyway,\" he said. [It is easy to speak badly of things that you "
            "cannot have.|A little bird in the tree laughed.]",
        ],
    ),
    (
        "a boy and a wolf",
        [
            "[Once upon a time|Long ago], a boy looked after the sheep of his village. It was "
            "boring to sit on the hill all day. So he called, \"Wolf! Wolf! The wolf is here!\"",
            "The people ran up the hill to help him. But there was no wolf. The boy laughed. "
            "[\"Do not do that again,\" they said.|The people were angry and went home.] The "
            "next day he did it again, and again they came for nothing.",
            "Then one evening a real wolf came out of the forest. \"Wolf! Wolf!\" called the "
            "boy. But nobody came. \"He only wants to laugh at us again,\" said the people.",
            "The wolf took [a sheep|two sheep], and the boy cried. An old man put his hand on "
            "his shoulder. \"Nobody believes a liar, even when he tells the truth,\" he said. "
            "[The boy never told such a lie again.|]",
        ],
    ),
    (
        "the wind and the sun",
        [
            "[One day|Once upon a time], the wind and the sun talked about who was stronger. "
            "Then they saw a man in a warm coat who walked along the road. \"Whoever can make "
            "him take off his coat is stronger,\" said the sun.",
            "The wind began. He blew [with all his might|as hard as he could]. But the harder "
            "he blew, the more the man held his coat around him. At last the wind was tired.",
            "Then the sun came out from behind a cloud. She was warm and gentle. The man "
            "[smiled and wiped his face|felt the warm light], and soon he took off his coat.",
            "\"You see,\" said the sun, \"a gentle way can do more than force.\" [The wind had "
            "nothing more to say.|]",
        ],
    ),
    (
        "a dog and a bone",
        [
            "[One day|Once upon a time], a dog found a big bone. He took it in his mouth and "
            "ran home. On the way he came to a small bridge over a stream.",
            "The dog looked down into the water. There he saw another dog with another bone. "
            "[\"That bone is bigger than mine,\" he thought.|\"I want that bone too,\" he "
            "thought.]",
            "He opened his mouth to [bark|bite]. Splash! His bone fell into the water and was "
            "gone. The other dog was only himself in the water.",
            "The dog walked home with nothing. [\"I wanted too much, and now I have nothing at "
            "all,\" he thought.|Whoever wants everything may lose what he has.]",
        ],
    ),
]

HELLO = [
    "[Hello world|Hello, world]! [That is what the little robot said every morning|Those were "
    "the first words of the little robot]. It opened its round eyes and looked at {place}. "
    "[{weather}.|] \"Good morning, sun,\" it said. \"Good morning, trees.\" Then it met "
    "{h_full}. \"Hello, {h}!\" said the robot. \"Hello, robot!\" said {h}. \"[Do you want to "
    "play with me|Would you like to come with me to {outside}]?\" The robot was so happy that "
    "its light turned {colour}. [They played until the sun went down.|They walked to {outside} "
    "together and looked at the clouds.] [In the evening the robot said, \"Good night, "
    "world.\"|From that day on, they were friends.]",
    "[Hello world|Hello, world|Hello]! My name is Ember. I am a very small language model, and "
    "I like to tell stories. Here is one. Once upon a time, there was {h_full}. {h} found a "
    "{toy} {in_outside} and [took it home|looked at it for a long time]. \"Whose {toy} is "
    "this?\" {he} asked. \"It is mine,\" said {f}, {f_full_short}. \"Thank you for finding "
    "it!\" {h} gave it back, and {f} gave {him} some {food}. They have been friends ever since.",
    "\"[Hello|Good morning]!\" said the sun to the world. [\"Hello!\" said the birds.|The birds "
    "began to sing.] {h}, {h_full_short}, opened {his} eyes. \"Hello, day!\" {he} said. {he} "
    "ran to {outside} and said hello to {f}, {f_full_short}. \"What a fine day,\" said {f}. "
    "\"[Let us have {food} and then play|Let us look for {gift}].\" And that was how a good day "
    "began.",
]
