"""The topics that the first authority starts with, and what each covers. They are edited at the desk from then on."""

START_TOPICS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Hälso- och sjukvård", "Health and medical care", ()),
    ("Kollektivtrafik", "Public transport", ()),
    ("Regional utveckling", "Regional development", ()),
    (
        "Kultur",
        "Culture",
        (
            ("Kultur och hälsa", "Culture and health"),
            ("Offentlig konst", "Public art"),
            ("Konstnär och kulturutövare", "Artists and cultural practitioners"),
        ),
    ),
    ("Hållbarhet", "Sustainability", ()),
    ("Forskning och innovation", "Research and innovation", ()),
    ("Organisation och styrning", "Organisation and governance", ()),
    ("Ekonomi och budget", "Economy and budget", ()),
    ("Bibliotek", "Libraries", ()),
    ("Stöd", "Grants and support", ()),
)

# By slug: what a topic covers in Swedish and in English.
ABOUT: dict[str, tuple[str, str]] = {
    "halso-och-sjukvard": (
        (
            "Vårdcentraler, sjukhus, tandvård och vaccinationer: vad som öppnar, ändras eller stänger, vad det kostar "
            "och hur lång väntan är."
        ),
        (
            "Health centres, hospitals, dental care and vaccinations: what opens, changes or closes, what it costs and "
            "how long the wait is."
        ),
    ),
    "kollektivtrafik": (
        "Buss, tunnelbana, pendeltåg, lokalbanor och båt: nya linjer, ombyggnader, biljetter och priser.",
        "Buses, metro, commuter trains, light rail and boats: new lines, construction works, tickets and fares.",
    ),
    "regional-utveckling": (
        "Hur länet växer: bostäder, vägar och spår, näringsliv, landsbygd och skärgård, och planerna för det.",
        "How the county grows: housing, roads and railways, business, countryside and archipelago, and plans for it.",
    ),
    "kultur": (
        "Scen, musik, film, litteratur och konst i hela länet, och regionens stöd till dem som skapar och arrangerar.",
        "Stage, music, film, literature and art in the whole county, and support for those who create and arrange.",
    ),
    "kultur-och-halsa": (
        "Kultur i vården och omsorgen, för barn, äldre och den som är sjuk, och forskning om kultur och hälsa.",
        (
            "Culture in health and social care, for children, older people and patients, and research on culture and "
            "health."
        ),
    ),
    "offentlig-konst": (
        "Konsten på sjukhus, stationer och andra platser som är allas: nya verk, uppdrag och visningar.",
        "Art in hospitals, stations and other places that belong to everyone: new works, commissions and tours.",
    ),
    "konstnar-och-kulturutovare": (
        "För dig som arbetar med konst och kultur: stipendier, uppdrag, utlysningar och utbildningar.",
        "For those who work with art and culture: scholarships, commissions, calls and training.",
    ),
    "hallbarhet": (
        "Klimat, miljö och social hållbarhet: vad vi gör för att minska utsläpp, kemikalier och ojämlikhet.",
        "Climate, environment and social sustainability: what we do to cut emissions, chemicals and inequality.",
    ),
    "forskning-och-innovation": (
        "Ny forskning i vården, samarbeten med universitet och företag, och försök med ny teknik och nya arbetssätt.",
        "New medical research, work with universities and companies, and trials of new technology and ways of working.",
    ),
    "organisation-och-styrning": (
        "Beslut i regionfullmäktige och nämnderna, chefer som börjar och slutar, och hur regionen är organiserad.",
        "Decisions by the regional assembly and its committees, new managers, and how the region is organised.",
    ),
    "ekonomi-och-budget": (
        "Budget, skatt, bokslut och stora investeringar: var pengarna kommer ifrån och vad de går till.",
        "Budget, tax, annual accounts and large investments: where the money comes from and where it goes.",
    ),
    "bibliotek": (
        "Sjukhusbiblioteken, den regionala biblioteksverksamheten och stödet till länets folkbibliotek.",
        "The hospital libraries, the regional library service and support for the county's public libraries.",
    ),
    "stod": (
        "Pengar att söka: vilka stöd och bidrag som finns, när det är dags att ansöka och vilka som har fått.",
        "Money to apply for: which grants there are, when to apply and who has received them.",
    ),
}
