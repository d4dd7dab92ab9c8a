"""Words of the field with the noun that each counts as, gathered by hand: what the tests of lemmas measure against."""

REGULAR = """
apples apple · bananas banana · dogs dog · cats cat · roses rose · horses horse · cameras camera · guitars guitar
tables table · bicycles bicycle · airplanes airplane · cakes cake · bridges bridge · houses house · cheeses cheese
bruises bruise · noses nose · vases vase · cases case · nurses nurse · blouses blouse · hoses hose · causes cause
geezers geezer · axles axle · shoes shoe · toes toe · canoes canoe · hoes hoe · oboes oboe · bees bee · trees tree
knees knee · pies pie · ties tie · cookies cookie · movies movie · brownies brownie · pixies pixie · zombies zombie
selfies selfie · hoodies hoodie · smoothies smoothie · genies genie · collies collie · prairies prairie · magpies magpie
birdies birdie · rookies rookie · boxes box · foxes fox · taxes tax · lynxes lynx · sphinxes sphinx · faxes fax
axes axe · pickaxes pickaxe · churches church · benches bench · watches watch · peaches peach · finches finch
ostriches ostrich · sandwiches sandwich · beaches beach · couches couch · matches match · marches march · bunches bunch
pinches pinch · caches cache · avalanches avalanche · headaches headache · niches niche · moustaches moustache
quiches quiche · stomachs stomach · monarchs monarch · lochs loch · epochs epoch · brushes brush · dishes dish
wishes wish · thrushes thrush · bushes bush · radishes radish · eyelashes eyelash · ashes ash
waterthrushes waterthrush · buses bus · gases gas · lenses lens · irises iris · canvases canvas · atlases atlas
walruses walrus · octopuses octopus · viruses virus · crocuses crocus · lotuses lotus · circuses circus · pluses plus
campuses campus · thermoses thermos · platypuses platypus · rhinoceroses rhinoceros · albatrosses albatross
classes class · glasses glass · crosses cross · masses mass · dresses dress · mattresses mattress · princesses princess
compasses compass · bosses boss · waitresses waitress · fortresses fortress · hostesses hostess · mosses moss
witnesses witness · waltzes waltz · topazes topaz · quizzes quiz · prizes prize · mazes maze · breezes breeze
blintzes blintz · buzzes buzz · berries berry · cherries cherry · puppies puppy · ponies pony · lilies lily
daisies daisy · poppies poppy · butterflies butterfly · dragonflies dragonfly · galleries gallery · batteries battery
cities city · babies baby · bakeries bakery · grannies granny · hankies hanky · panties panty · candies candy
trophies trophy · factories factory · keys key · monkeys monkey · donkeys donkey · turkeys turkey · valleys valley
trolleys trolley · toys toy · trays tray · jockeys jockey · pianos piano · photos photo · kangaroos kangaroo · zoos zoo
bamboos bamboo · radios radio · videos video · studios studio · tacos taco · burritos burrito · tattoos tattoo
igloos igloo · rhinos rhino · kimonos kimono · potatoes potato · tomatoes tomato · heroes hero · mosquitoes mosquito
torpedoes torpedo · volcanoes volcano · mangoes mango · buffaloes buffalo · tornadoes tornado · flamingoes flamingo
avocadoes avocado · avocados avocado · flamingos flamingo · dominoes domino · roofs roof · chiefs chief · reefs reef
cliffs cliff · giraffes giraffe · safes safe · gulfs gulf · caves cave · graves grave · gloves glove · doves dove
waves wave · olives olive · hives hive · sleeves sleeve · valves valve · stoves stove · curves curve · pandas panda
zebras zebra · sofas sofa · llamas llama · menus menu · emus emu · gnus gnu · kiwis kiwi · skis ski · bikinis bikini
taxis taxi · okapis okapi · bayous bayou · humans human · germans german · romans roman · caimans caiman
shamans shaman · ottomans ottoman · talismans talisman · syringes syringe · comics comic · soles sole · lures lure
synapses synapse · castanets castanet · maracas maraca · annexes annex · accordions accordion · caddies caddy
doggies doggy
"""

IRREGULAR = """
men man · women woman · children child · mice mouse · lice louse · geese goose · feet foot · teeth tooth · oxen ox
leaves leaf · loaves loaf · halves half · shelves shelf · knives knife · wives wife · lives life · wolves wolf
calves calf · thieves thief · elves elf · scarves scarf · hooves hoof · wharves wharf · turves turf · dwarves dwarf
sheaves sheaf · mongooses mongoose · dormice dormouse · titmice titmouse · chillies chilli · busses bus · gasses gas
"""

FOREIGN = """
cacti cactus · fungi fungus · alumni alumnus · radii radius · stimuli stimulus · octopi octopus
hippopotami hippopotamus · nuclei nucleus · foci focus · loci locus · syllabi syllabus · bacilli bacillus
gladioli gladiolus · crania cranium · algae alga · larvae larva · antennae antenna · formulae formula
vertebrae vertebra · nebulae nebula · pupae pupa · amoebae amoeba · bacteria bacterium · aquaria aquarium
stadia stadium · gymnasia gymnasium · curricula curriculum · memoranda memorandum · strata stratum · ova ovum
millennia millennium · symposia symposium · spectra spectrum · criteria criterion · phenomena phenomenon
automata automaton · ganglia ganglion · stigmata stigma · stomata stoma · schemata schema · indices index
appendices appendix · matrices matrix · vertices vertex · vortices vortex · codices codex · crises crisis
theses thesis · oases oasis · diagnoses diagnosis · analyses analysis · hypotheses hypothesis · parentheses parenthesis
neuroses neurosis · chateaux chateau · bureaux bureau · plateaux plateau · tableaux tableau · gateaux gateau
corpora corpus · genera genus · cherubim cherub · seraphim seraph · kibbutzim kibbutz · paparazzi paparazzo
libretti libretto · virtuosi virtuoso · concerti concerto · larynges larynx
"""

THEMSELVES = """
bus gas lens iris atlas canvas chaos bias alias tennis chess glass grass dress cutlass compass walrus octopus cactus
lotus crocus hibiscus citrus campus virus circus asparagus rhinoceros hippopotamus albatross abacus apparatus genius
stylus thermos cosmos molasses mattress fortress princess actress harness business brass cross moss boss floss hummus
couscous papyrus eucalyptus christmas news series species physics mathematics gymnastics athletics politics economics
corps barracks gallows headquarters scissors binoculars goggles tongs tights clothes pancreas platypus sheep deer bison
moose salmon trout aircraft squid dive does cola ramen omen stamen specimen abdomen semen this his has was yes us its
always famous gorgeous serious various luminous lei pekingese roma mars trivia stamina crying pasta pizza panda opera
agenda spaghetti ravioli zucchini broccoli safari bonsai samurai origami salami graffito rose kiss analysis thesis oasis
cannabis clitoris tetris paris hibachi fish bass
"""

COMPOUNDS = """
firemen fireman · snowmen snowman · policewomen policewoman · fishermen fisherman · businesswomen businesswoman
grandchildren grandchild · schoolchildren schoolchild · stepchildren stepchild · steakknives steakknife
penknives penknife · housewives housewife · midwives midwife · bookshelves bookshelf · werewolves werewolf
direwolves direwolf · eyeteeth eyetooth · smartwatches smartwatch · lunchboxes lunchbox · letterboxes letterbox
strawberries strawberry · blueberries blueberry · snozzberries snozzberry · fireflies firefly · eyeglasses eyeglass
sunglasses sunglass · hourglasses hourglass · toothbrushes toothbrush · paintbrushes paintbrush
wheelbarrows wheelbarrow · grasshoppers grasshopper · lighthouses lighthouse · greenhouses greenhouse
bulldozers bulldozer · hedgehogs hedgehog · battleaxes battleaxe · passersby passerby · flycatchers flycatcher
woodpeckers woodpecker · grandbabies grandbaby · megacities megacity · backstories backstory
"""


def read_pairs() -> list[tuple[str, str]]:
    """All words, each with the noun that it counts as."""
    lists = (REGULAR, IRREGULAR, FOREIGN, COMPOUNDS)
    pairs = [tuple(pair.split()) for text in lists for line in text.strip().splitlines() for pair in line.split("·")]
    return pairs + [(word, word) for word in THEMSELVES.split()]
