"""Plots of stories, part two."""

from plots_first import DAY

WISH = (
    "friendship",
    [
        DAY,
        "In the grass {he} found a [shiny stone|small glass ball|silver ring]. When {h} [picked "
        "it up|touched it], it began to glow. \"You may make one wish,\" said a [soft "
        "voice|tiny voice].",
        "{h} thought and thought. [{he} could wish for a mountain of {food}.|{he} could wish "
        "for a castle.|{he} could wish for a hundred toys.] [But what would {he} do with all "
        "that alone?|But then {he} thought of {f}, {f_full_short}, who was ill in bed.|But then "
        "{he} saw {f}, {f_full_short}, who had no warm coat.]",
        "\"I wish that {f} is [happy|well] and has everything that {f_he} needs,\" said {h}. "
        "The [stone|light] [glowed brightly|turned warm], and then it was dark again.",
        "When {h} came to the house of {f}, {f_he} [was dancing in the garden|ran to meet "
        "{him}]. \"[Something wonderful has happened|I do not know how, but I feel so well]!\" "
        "said {f}. {h} only smiled. [{he} did not need any other wish.|It was the best wish in "
        "the world.]",
    ],
)
BUILD = (
    "practice",
    [
        "{h} wanted to build a {build}. {he} [took some wood and a hammer|looked for wood, rope "
        "and nails|worked all morning].",
        "When it was ready, {h} took it to {build_where}. But the {build} did not {build_do}. "
        "It {build_fail}! {h} [sat down and sighed|was angry and sad|wanted to give up].",
        "{f}, {f_full_short}, [saw it|came by]. \"[That was a good try|Do not give up],\" said "
        "{f}. \"[Let us see what went wrong|Shall we try again together?|Two can do more than "
        "one].\"",
        "They worked [all afternoon|for three days|until evening]. {h} held the wood, and {f} "
        "[tied the rope|used the hammer|made it strong]. They painted it {colour}.",
        "Then they took the {build} to {build_where} again. [They held their breath.|\"One, "
        "two, three!\" they called.] This time it did {build_do}! [They laughed and cheered|{h} "
        "and {f} danced for joy]. [\"We did it!\" {said} {h}.|\"I would not have done it "
        "without you,\" said {h}.]",
    ],
)
BIRTHDAY = (
    "friendship",
    [
        "It was the birthday of {h}. {he} [jumped out of bed|woke up very early|ran down the "
        "stairs]. But nobody said a word about it.",
        "{his} {fam} [was busy in the kitchen|only said good morning|was not at home]. {his} "
        "friend {f}, {f_full_short}, ran past and said, \"I have no time today!\" {h} was sad. "
        "\"They all forgot my birthday,\" {he} thought.",
        "{h} walked to {outside} alone. {he} [threw stones into the water|sat {hide}|looked at "
        "the clouds]. When [it was evening|the sun went down|{he} was hungry], {he} went home "
        "slowly.",
        "The house was dark. {h} opened the door. Suddenly there was light everywhere. "
        "\"Surprise!\" called {his} {fam} and {f} and all the others. There was a big "
        "[cake|table with {food}], and the room was full of {colour} [flowers|paper "
        "stars|lanterns].",
        "\"We did not forget you,\" said {f}. \"We worked on this all day!\" {f_he} gave {him} "
        "a {toy}. {h} [did not know what to say|laughed and cried at once]. It was the best "
        "birthday ever.",
    ],
)
ILL = (
    "kindness",
    [
        "One day {his} friend {f}, {f_full_short}, was ill. {f} had to stay in bed, and "
        "[{f_his} nose was red|{f_his} head was hot].",
        "{h} wanted to help. {he} [made a pot of hot soup|picked flowers {in_outside}|took "
        "{his} favourite book], put on {his} {colour} coat and walked to the house of {f}. [It "
        "was cold and windy.|It was a long way.|]",
        "\"[How are you|How do you feel], {f}?\" asked {h}. \"[Not so good. I am bored and "
        "tired|My head hurts],\" said {f}. So {h} [told {f_him} a funny story|read to {f_him} "
        "from a book|sang a song for {f_him}] and gave {f_him} some {food}.",
        "{f} [began to smile|laughed for the first time that day]. Every day {h} came back, and "
        "every day {f} was a little better. After [a week|five days], {f} could go outside "
        "again.",
        "\"You are the best medicine,\" said {f}. They [ran to {outside}|played with the {toy}] "
        "and were [happy|glad].",
    ],
)
SKILL = (
    "practice",
    [
        "{h} wanted to learn to {skill}. {his} friend {f}, {f_full_short}, could do it very "
        "well, but {h} could not.",
        "{he} went to {skill_where} and tried. It went wrong. {he} tried again, and it went "
        "wrong again. \"I will never learn it,\" {said} {h} [sadly|and sat down on the ground].",
        "\"[Nobody can do it the first time|I needed a hundred tries],\" said {f}. \"[Watch me, "
        "and go slowly|Do not think about falling. Think about the next step|Try a little every "
        "day].\"",
        "So {h} tried a little every day. [On Monday it was bad. On Tuesday it was better.|In "
        "the morning and in the evening {he} practised.] [Sometimes {he} laughed at "
        "{h_self}.|Sometimes {he} wanted to stop, but {he} did not.]",
        "Then one day it happened. {h} could {skill}! \"Look at me!\" {he} called. {f} clapped "
        "{f_his} hands. [{his} {fam} came to see it too.|They did it together all afternoon.] "
        "[{h} was very proud.|]",
    ],
)
LOST_WAY = (
    "help",
    [
        "One day {h} walked deep into the forest to look for {food}. {he} [followed a "
        "butterfly|walked and walked] and did not look at the path. [Soon it was dark.|Then the "
        "sun went down.]",
        "\"Where am I?\" {said} {h}. All the trees looked the same. {he} [called, but nobody "
        "answered|was cold and afraid|sat down under a tree].",
        "Then {he} saw two bright eyes. It was {f_full}. \"[Are you lost|What are you doing "
        "here so late]?\" asked {f}. \"I want to go home,\" said {h}, \"but I do not know the "
        "way.\"",
        "\"[Look up|Look at the sky]. Do you see that bright star? [It stands over your "
        "home|Follow it and you will find your home],\" said {f}. \"I will go with you.\" They "
        "walked through the dark forest side by side. [{f} told {him} the names of the "
        "stars.|The moon made the path silver.]",
        "At last {h} saw the light of {his} house. {his} {fam} ran to meet {him} and held {him} "
        "tight. \"Thank you for bringing {him} home,\" {fam_he} said to {f}. They all had hot "
        "[milk|soup|tea] by the fire.",
    ],
)
OLD = (
    "kindness",
    [
        "One day {h} saw an old {old} who carried a heavy {load} up the hill. {old_he} was very "
        "tired.",
        "\"May I help you?\" asked {h}. \"[That would be kind|You are small, but yes, "
        "please],\" said the old {old}. {h} took [the {load}|one side of the {load}], and they "
        "walked up the hill together.",
        "On the way the old {old} told {him} a story [about the sea|about a dragon|about the "
        "time when {old_he} was young]. [{h} forgot how heavy it was.|The way was long, but it "
        "felt short.]",
        "When they came to the house, the old {old} said, \"Wait a moment.\" {old_he} went "
        "inside and came back with {gift}. \"This is for you,\" {old_he} said, \"[because you "
        "have a good heart|because you stopped when others walked by].\"",
        "{h} [thanked the old {old} and ran home|was so happy]. [After that, {he} visited the "
        "old {old} every week.|{he} kept the present for many years.] [There was always a new "
        "story to hear.|]",
    ],
)
KING = (
    "kindness",
    [
        "In that land there was a {ruler} who never laughed. [The castle was silent and "
        "grey.|Nobody knew why.] \"Whoever makes me laugh shall have a bag of gold,\" said the "
        "{ruler}.",
        "Many people came. [One stood on his head|One told a hundred jokes] and [one danced "
        "with a goose|one played ten drums at once]. But there was not even a smile.",
        "Then {h} came to the castle. {he} did not dance and did not tell a joke. {he} only "
        "asked, \"Are you lonely?\" [Nobody had ever asked that before.|It was very quiet in "
        "the room.] There was a long silence, and then a small \"Yes.\"",
        "\"Come with me,\" said {h}. They went down to {outside}, where the children were "
        "playing. They [ran in the grass|flew a {colour} kite|ate {food} with their fingers]. A "
        "puppy jumped up and stole the crown! And then there was a laugh, [loud and long|as "
        "bright as a bell].",
        "[\"You may keep the gold,\" said {h}. \"But come and play again tomorrow.\"|{h} took "
        "the gold and gave it to the poor.] From that day on the castle was full of "
        "[music|children|laughter].",
    ],
)
DRAGON = (
    "courage",
    [
        "On the mountain lived an old dragon. Everyone was afraid of it, for [it roared every "
        "night|there was smoke every evening]. \"Do not go near the mountain,\" said {his} "
        "{fam}.",
        "But {h} wanted to know why the dragon roared. One morning {he} took some {food} and [a "
        "lantern|a warm coat] and walked up the mountain. [{his} knees were shaking.|The way "
        "was steep and long.]",
        "The dragon was big and {colour}. \"Why are you not afraid?\" it asked. \"I am "
        "afraid,\" said {h}, \"but I wanted to ask what is wrong.\" The dragon [sighed|began to "
        "cry]. \"[I have a thorn in my foot|My tooth hurts|I am cold at night, and I am "
        "alone],\" it said.",
        "So {h} [helped the dragon as well as {he} could|sat down beside the dragon and "
        "stayed|asked what {he} could do, and did it]. They ate the {food} together. The dragon "
        "felt much better. It did not roar any more. It [hummed a song|purred like a cat].",
        "{h} flew home on the back of the dragon. [The people ran away at first, but {h} "
        "called, \"Come out! It is a friend!\"|How surprised everyone was!] From then on the "
        "dragon [lit the fires in winter|kept the village warm|gave the children rides], and "
        "nobody was afraid.",
    ],
)
ROBOT = (
    "friendship",
    [
        "{h} [built|found|had] a little robot. It was made of [tin and wire|old cups and "
        "clocks]. One morning its eyes began to shine, and it said, \"Hello, world!\"",
        "\"Hello!\" said {h}. \"What is your name?\" \"I do not have a name,\" said the robot. "
        "\"Then I will call you [Bolt|Spark|Dot|Button|Ember],\" said {h}.",
        "The robot wanted to know everything. \"What is that?\" it asked. \"That is [the sun|a "
        "tree|the rain|a flower],\" said {h}. \"And what is that?\" \"That is my lunch.\" [The "
        "robot could not eat, but it liked the smell.|\"How wonderful the world is!\" said the "
        "robot.]",
        "In the evening the robot became slow, and its light grew weak. {h} was worried. [{he} "
        "gave it a new battery.|{he} turned the little key on its back, once, twice, three "
        "times.|{he} carried it into the sun the next morning.] Then its eyes began to shine "
        "again.",
        "\"Hello, world!\" said the robot. \"And hello, my friend.\" {h} [laughed and hugged "
        "it|was so glad]. [They went to {outside} together.|After that {he} never forgot to "
        "care for the robot.]",
    ],
)
SNOW = (
    "friendship",
    [
        "One morning everything was white. It had snowed all night! {h} put on {his} {colour} "
        "[hat|coat|boots] and ran outside.",
        "{he} met {f}, {f_full_short}. \"Let us build a snowman!\" said {f}. They made a big "
        "ball, a middle ball and a small ball. They gave him [a carrot for a nose|two stones "
        "for eyes] and a {colour} [hat|scarf].",
        "\"He looks lonely,\" said {h}. So they built [a snow dog|a second snowman|a little "
        "snow cat] for him. [Their hands were cold, but they did not mind.|Their cheeks were "
        "red.]",
        "Then they went inside and had hot [milk|tea|soup] and {food}. Through the window they "
        "could see the snowman. [It looked as if he smiled.|The snow fell softly on his hat.]",
        "Some days later the sun was warm, and the snowman became smaller and smaller. \"Do not "
        "be sad,\" said {f}. \"[He will come back next winter|Now he is water, and the water "
        "makes the flowers grow].\" {h} waved. \"Goodbye, snowman!\"",
    ],
)
BAKE = (
    "patience",
    [
        "{h} and {his} {fam} wanted to bake a [cake|pie] for {f}. They took flour, milk, eggs "
        "and [butter|honey|apples].",
        "{h} was in a hurry. [{he} put in salt and not sugar!|{he} dropped the eggs on the "
        "floor!|{he} opened the oven too soon!] \"Oh no,\" {said} {h}. \"Now it is spoiled.\"",
        "\"That can happen,\" said {his} {fam}. \"[We will start again, and this time "
        "slowly|Let us clean up and try again].\" {h} [washed the bowl|took a clean bowl]. This "
        "time {he} [read every step|did one thing after the other].",
        "Soon the whole house smelled sweet. [They waited until it was golden brown.|It was "
        "hard to wait, but they waited.]",
        "When {f} came and tasted it, {f_he} closed {f_his} eyes. \"This is the best [cake|one] "
        "that I ever had!\" said {f}. {h} and {his} {fam} looked at each other and laughed.",
    ],
)
MUSIC = (
    "sharing",
    [
        "{h} found an old [drum|flute|fiddle] in the attic. {he} [played it softly|tried it], "
        "and the sound was [sweet|strange and lovely].",
        "{he} played it {in_outside}. First [a bird|the {small}] came to listen. Then {f} came, "
        "{f_full_short}. \"May I play too?\" asked {f}. {h} held it tight. \"No, it is mine,\" "
        "{he} said. {f} went away [sadly|with a sad face].",
        "{h} played on, but [the song did not sound so sweet any more|it was no fun alone]. "
        "{he} thought of the face of {f}. \"[That was not kind of me|I was not nice],\" {he} "
        "thought.",
        "So {h} ran after {f_him}. \"I am sorry,\" {he} said. \"[Please come back. We can play "
        "in turns|You play and I will sing].\" {f} smiled. \"I would like that.\"",
        "Soon there was music everywhere {in_outside}. [The {small} danced, and the birds sang "
        "along.|Everyone came and danced.] [It was much better than playing alone.|\"Music is "
        "made for two,\" said {f}.]",
    ],
)
MARKET = (
    "kindness",
    [
        "{h} had saved one silver coin. {he} went to the market to buy a {toy}. [{he} had "
        "waited for it all summer.|The market was loud and full of people.]",
        "On the way {he} saw {f_full}. {f} was crying. \"[I have lost the money for the "
        "bread|My little brother is hungry, and we have no bread],\" {f_he} said.",
        "{h} looked at the coin in {his} hand. [{he} wanted the {toy} so much!|It was the only "
        "coin that {he} had.] But {he} went to the baker and bought [two loaves of bread|bread "
        "and cheese] and gave it to {f}.",
        "\"Why did you do that?\" asked {f}. \"Because [bread is more important than a "
        "{toy}|you need it more than I do],\" said {h}. {f} [did not know what to say|smiled "
        "through {f_his} tears].",
        "The man who sold toys had seen it all. [The next day|In the evening] there was a box "
        "at the door of {h}. In it was the {toy} and a note: \"For a good heart.\" {h} ran to "
        "show it to {f}, and they played together.",
    ],
)
