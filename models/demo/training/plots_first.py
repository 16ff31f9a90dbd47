"""Plots of stories, part one: each is a theme and a list of beats (templates of `grammar.py`)."""

OPENINGS = [
    "Once upon a time, there was {h_full}. {he} lived in {place}.",
    "Once upon a time, in {place}, there lived {h_full}.",
    "Once upon a time, {h_full} lived in {place} with {his} {fam}.",
    "Once upon a time there was {h_full} who lived in {place}.",
    "Once there was {h_full}. {he} had a {fam} who loved {him} very much.",
    "Long ago, {h_full} lived in {place}.",
    "In {place} there lived {h_full}. [Everyone knew {him}.|Everyone liked {him}.|]",
    "There was once {h_full}. Every day {he} played {in_outside}.",
    "{h} was a {trait} {h_kind}. {he} lived in {place}.",
    "The {trait} {h_kind} was called {h}. {he} lived in {place}.",
    "A {trait} {h_kind} named {h} lived in {place} with {his} {fam}.",
    "This is the story of {h}, {h_full_short}, who lived in {place}.",
    "There was a {h_kind} in {place}, and {his} name was {h}.",
    "[It was summer|It was winter|It was a quiet morning] in {place}, where {h_full} lived.",
    "Not far from here, in {place}, lived {h_full}.",
]
DAY = [
    "One day, {h} went to {outside}. {weather}.",
    "One morning, {h} woke up early. {weather}.",
    "{weather}, and {h} wanted to go outside.",
    "One day {he} went for a walk to {outside}.",
    "One afternoon, {h} was playing {in_outside}.",
]

LOST = (
    "friendship",
    [
        "{h} had a {toy}. It was {his} favourite thing in the whole world. [{he} took it "
        "everywhere.|]",
        "One day, {h} could not find the {toy}. [{he} looked under the bed, but it was not "
        "there.|{he} looked in the kitchen and in the garden, but it was gone.|{he} looked here "
        "and {he} looked there.] {h} [began to cry|was very sad|felt sad].",
        "{f}, a {f_trait} {f_kind}, [came by|heard {him}|was passing]. \"[What is wrong|Why are "
        "you sad], {h}?\" {f_he} asked. \"I have lost my {toy},\" said {h}. \"[Do not cry|Do "
        "not worry]. [I will help you look for it|We will find it together],\" said {f}.",
        "They looked and looked. [They asked the {other}, but the {other} had not seen it.|They "
        "looked {in_outside}.|It took a long time.] Then {f} saw something {hide}. \"[Look!|Is "
        "this it?|Here it is!]\" {f_he} called. It was the {toy}!",
        "{h} [jumped for joy|was so happy that {he} laughed|smiled from ear to ear]. \"Thank "
        "you, {f}! You are a true friend,\" {he} said. [They played with the {toy} until the "
        "sun went down.|From that day on, they played together every day.|Then {h} let {f} play "
        "with the {toy} too.]",
    ],
)
LONELY = (
    "friendship",
    [
        "{h} had [no friends to play with|nobody to play with], and that made {him} [sad|lonely].",
        DAY,
        "There {he} met {f_full}. {f} was [sitting alone {hide}|all alone too|looking at the "
        "sky]. \"Hello,\" said {h}. \"[What are you doing?|Why are you alone?]\" \"[I am new "
        "here, and I know nobody|I have nobody to play with],\" said {f}.",
        "\"[Then we can play together|Do you want to play with me|Would you like to be my "
        "friend]{ask}\" {said} {h}. {f} [nodded and smiled|jumped up|was so glad]. \"Yes, "
        "please!\" {f_he} said.",
        "They [ran through {outside}|played hide and seek|built a house of sticks and "
        "leaves|told each other stories] [all day long|until it was dark|until the sun went "
        "down]. [They shared some {food} and laughed.|]",
        "[From that day on, {h} was never lonely again|That night {h} went to bed with a smile, "
        "for {he} had a friend|The next day they met again, and the day after that too]. [And "
        "so they became the best of friends.|They were best friends from then on.|]",
    ],
)
FEAR = (
    "courage",
    [
        "{h} was not afraid of many things, but {he} was afraid of {fear}.",
        "One evening {fear_when}. {h} [hid under the blanket|held {his} {toy} very tight|began "
        "to shake].",
        "{his} {fam} [came|heard {him} and came]. \"What is the matter, {h}?\" {fam_he} asked. "
        "\"I am afraid of {fear},\" said {h} [in a small voice|and began to cry|very softly].",
        "{his} {fam} [sat down beside {him}|took {his} hand|smiled]. \"[Everyone is afraid "
        "sometimes|I was afraid too when I was small],\" {fam_he} said. \"[Come, we will look "
        "at it together|I will stay with you|Take {fear_help} and try one small step].\"",
        "So {h} took a deep breath and [looked|opened {his} eyes|took one small step]. {he} saw "
        "that {fear_truth}. [It was not so bad at all.|It was even a little pretty.|]",
        "\"I am not afraid any more!\" {said} {h}. {his} {fam} [gave {him} a big hug|kissed "
        "{him} and laughed|was very proud]. [After that, {h} was never so afraid of {fear} "
        "again.|That night {h} slept well.|]",
    ],
)
SHARE_FOOD = (
    "sharing",
    [
        "One day, {his} {fam} gave {him} some {food}. [It smelled so good!|{h} loved {food}.|]",
        "{h} [sat down {hide} to eat|wanted to eat it all alone|took the {food} to {outside}]. "
        "Just then {f_full} came by. {f} looked [tired and hungry|very thin|cold and hungry].",
        "\"I have not eaten all day,\" said {f}. {h} looked at the {food}. [There was not much "
        "of it.|{he} was hungry too.|{he} thought for a moment.] Then {he} said, \"[Come and "
        "sit with me. We will share it|Here, you can have half of it|There is enough for two].\"",
        "They ate together, and [it tasted better than ever|they talked and laughed|soon both "
        "were full]. \"[Thank you, {h}. I will not forget this|You are very kind],\" said {f}.",
        "[A few days later|The next week|When winter came], {h} [was lost {in_outside}|fell and "
        "hurt {his} foot|had nothing to eat]. Who came to help? It was {f}! \"You helped me, "
        "and now I will help you,\" {f_he} said. [{f} took {him} home.|{f} took {his} hand and "
        "led {him} home.]",
    ],
)
RAIN = (
    "friendship",
    [
        "{h} and {his} friend {f}, {f_full_short}, wanted to have a picnic {in_outside}. They "
        "packed {food} and a [blanket|big blue blanket|bottle of milk].",
        "But when they [came to {outside}|sat down|opened the basket], [dark clouds came|the "
        "sky turned grey|a drop fell on {his} nose]. It began to rain! \"Oh no, our picnic!\" "
        "{said} {f}.",
        "{h} [thought for a moment|looked around|laughed]. \"[I have an idea|I know what we can "
        "do],\" {he} said. \"[We can have our picnic inside|Let us make a tent under the "
        "table|Let us run to the old barn]!\"",
        "They [ran home as fast as they could|ran through the rain|took the basket and ran]. "
        "They put the blanket on the floor and ate the {food}. [Outside the rain went drip, "
        "drop, drip.|The rain was like music on the roof.|]",
        "Then the sun came out again, and [there was a big rainbow over {outside}|the whole "
        "world was shining]. \"This was the best picnic ever,\" said {f}. {h} thought so too.",
    ],
)
SEED = (
    "patience",
    [
        "One spring day, {his} {fam} gave {him} a {seed}. \"Put it into the ground and give it "
        "water every day,\" {fam_he} said.",
        "{h} [made a small hole in the garden|found a sunny place in the garden|took a little "
        "pot] and put the {seed} into the earth. Then {he} [gave it water and waited|sat down "
        "to wait|waited].",
        "The next day {h} looked. There was nothing. [The day after that there was nothing "
        "too.|{he} waited one day, and two, and three.] \"[Why does it not grow|Is it "
        "asleep|Did I do it wrong]?\" {he} asked. \"[Wait a little longer|Good things need "
        "time|It is growing where you cannot see it],\" said {his} {fam}.",
        "So {h} gave it water every day [and told it stories|and sang to it|]. [Some days it "
        "rained and some days the sun was shining.|] And one morning there was a tiny green "
        "leaf!",
        "The little plant grew and grew. In summer it was a {plant}! {h} [danced around it|was "
        "so proud|called everyone to see it]. [All the neighbours came to look.|\"Well done, "
        "{h},\" said {his} {fam}.]",
    ],
)
RESCUE = (
    "kindness",
    [
        DAY,
        "Suddenly {he} heard a small voice. \"Help! Please help me!\" {h} [looked "
        "around|followed the voice|ran to see]. It was {s_a}. The poor {small} was stuck "
        "{stuck}.",
        "\"Do not be afraid,\" said {h}. \"[I will get you out|I will help you].\" {he} "
        "[pulled|tried with {his} hands|tried and tried], but it did not work. [The {small} was "
        "too far away.|{he} was too small.|]",
        "Then {h} had an idea. {he} ran home and came back with {stuck_tool}. [Very slowly and "
        "carefully|Step by step|With all {his} strength], {he} helped the {small}. [One more "
        "pull|One, two, three], and the {small} was free!",
        "\"Thank you! You saved me,\" said the {small}. [It gave {h} {gift}.|The {small} danced "
        "around {h}.|] [From that day on, the {small} came to visit {him} every morning.|They "
        "became good friends.|{h} went home with a warm heart.]",
    ],
)
RACE = (
    "practice",
    [
        "In {outside} there was a big race every year. {h} wanted to win, but {he} was not very "
        "fast. {f}, a [proud|loud] {f_kind}, laughed. \"You? You are much too slow!\" {f_he} "
        "said.",
        "{h} was [hurt|sad for a moment], but {he} did not give up. Every [morning|day] {he} "
        "ran [to the old mill and back|around {outside}|up the hill and down again]. [At first "
        "{his} legs were tired. Day by day they became stronger.|Every day {he} was a little "
        "faster.]",
        "Then the day of the race came. [Everyone was there to see it.|All the animals stood "
        "along the path.] \"One, two, three, go!\" called the old owl. {f} was far in front. "
        "[{f_he} was so sure to win that {f_he} stopped to rest|{f_he} stopped to eat some "
        "{food}|{f_he} stopped to look at {f_self} in the water].",
        "But {h} ran on and on. {he} did not stop [once|at all]. {he} passed {f} and came to "
        "the end first! [Everyone cheered.|\"Hurray for {h}!\" they called.]",
        "{f} came and said, \"I am sorry that I laughed. You ran well.\" \"[Come and run with "
        "me tomorrow|You are fast too. Let us run together],\" said {h}. [And so they did.|They "
        "shook hands and were friends.]",
    ],
)
BROKEN = (
    "honesty",
    [
        "One day {h} was playing with a ball in the house. {his} {fam} had said not to do that. "
        "Crash! The {colour} [cup|vase|bowl] fell to the floor and broke.",
        "{h} was [afraid|very worried]. {he} [hid the pieces under the bed|put the pieces into "
        "a box|pushed the pieces behind the door]. When {his} {fam} came home and asked, {h} "
        "said, \"[The cat did it|I do not know who did it|It was the wind].\"",
        "But {h} did not feel well. [{he} could not eat|{he} could not sleep|{his} heart was "
        "heavy]. [All night {he} thought about it.|\"I have told a lie,\" {he} thought.]",
        "[In the morning|At last] {he} went to {his} {fam}. \"I am sorry,\" said {h}. \"I broke "
        "it, and I told a lie.\" {his} {fam} [was quiet for a moment|looked at {him}]. Then "
        "{fam_he} smiled. \"[I am glad that you told me the truth|A broken thing can be mended. "
        "Thank you for telling me the truth],\" {fam_he} said.",
        "Together they [put the pieces together with glue|went to the market and bought a new "
        "one]. {h} felt [light and happy again|as light as a feather]. [{he} never told such a "
        "lie again.|]",
    ],
)
