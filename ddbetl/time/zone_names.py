"""Names of zones: what Joda-Time prints for ``z``, ``zzzz`` and ``ZZZ``.

In: a zone's id. Out: its canonical id, its short and long names in standard and in daylight time.

The tables are Joda-Time 2.10's answers on Java 17 in US English; ``tests/data/joda`` checks them. Ids that they do not
know are their own canonical ids and have no names.

Invariant: facts only; which half of the year an instant belongs to is the zone rules' business.
"""

from functools import cache

# Canonical id, then the ids that are printed as it.
_ALIASES = """
Africa/Asmara Africa/Asmera
Africa/Bamako Africa/Timbuktu
Africa/Cairo Egypt
Africa/Tripoli Libya
America/Adak America/Atka US/Aleutian
America/Anchorage US/Alaska
America/Argentina/Buenos_Aires America/Buenos_Aires
America/Argentina/Catamarca America/Argentina/ComodRivadavia America/Catamarca
America/Argentina/Cordoba America/Cordoba America/Rosario
America/Argentina/Jujuy America/Jujuy
America/Argentina/Mendoza America/Mendoza
America/Atikokan America/Coral_Harbour
America/Chicago US/Central
America/Denver America/Shiprock Navajo US/Mountain
America/Detroit US/Michigan
America/Edmonton Canada/Mountain
America/Halifax Canada/Atlantic
America/Havana Cuba
America/Indiana/Indianapolis America/Fort_Wayne America/Indianapolis US/East-Indiana
America/Indiana/Knox America/Knox_IN US/Indiana-Starke
America/Jamaica Jamaica
America/Kentucky/Louisville America/Louisville
America/Los_Angeles US/Pacific
America/Manaus Brazil/West
America/Mazatlan Mexico/BajaSur
America/Mexico_City Mexico/General
America/New_York US/Eastern
America/Noronha Brazil/DeNoronha
America/Nuuk America/Godthab
America/Phoenix US/Arizona
America/Regina Canada/Saskatchewan
America/Rio_Branco America/Porto_Acre Brazil/Acre
America/Santiago Chile/Continental
America/Sao_Paulo Brazil/East
America/St_Johns Canada/Newfoundland
America/St_Thomas America/Virgin
America/Tijuana America/Ensenada America/Santa_Isabel Mexico/BajaNorte
America/Toronto America/Montreal Canada/Eastern
America/Vancouver Canada/Pacific
America/Whitehorse Canada/Yukon
America/Winnipeg Canada/Central
Antarctica/McMurdo Antarctica/South_Pole
Asia/Ashgabat Asia/Ashkhabad
Asia/Dhaka Asia/Dacca
Asia/Ho_Chi_Minh Asia/Saigon
Asia/Hong_Kong Hongkong
Asia/Jerusalem Asia/Tel_Aviv Israel
Asia/Kathmandu Asia/Katmandu
Asia/Kolkata Asia/Calcutta
Asia/Macau Asia/Macao
Asia/Makassar Asia/Ujung_Pandang
Asia/Seoul ROK
Asia/Shanghai Asia/Chongqing Asia/Chungking Asia/Harbin PRC
Asia/Singapore Singapore
Asia/Taipei ROC
Asia/Tehran Iran
Asia/Thimphu Asia/Thimbu
Asia/Tokyo Japan
Asia/Ulaanbaatar Asia/Ulan_Bator
Asia/Urumqi Asia/Kashgar
Asia/Yangon Asia/Rangoon
Atlantic/Faroe Atlantic/Faeroe
Atlantic/Reykjavik Iceland
Australia/Adelaide Australia/South
Australia/Brisbane Australia/Queensland
Australia/Broken_Hill Australia/Yancowinna
Australia/Darwin Australia/North
Australia/Hobart Australia/Currie Australia/Tasmania
Australia/Lord_Howe Australia/LHI
Australia/Melbourne Australia/Victoria
Australia/Perth Australia/West
Australia/Sydney Australia/ACT Australia/Canberra Australia/NSW
Etc/GMT Etc/GMT+0 Etc/GMT-0 Etc/GMT0 Etc/Greenwich GMT GMT+0 GMT-0 GMT0 Greenwich
Etc/UTC Etc/UCT Etc/Universal Etc/Zulu UCT Universal Zulu
Europe/Chisinau Europe/Tiraspol
Europe/Dublin Eire
Europe/Istanbul Turkey
Europe/Lisbon Portugal
Europe/London Europe/Belfast GB GB-Eire
Europe/Moscow W-SU
Europe/Oslo Atlantic/Jan_Mayen
Europe/Warsaw Poland
Pacific/Auckland NZ
Pacific/Chatham NZ-CHAT
Pacific/Chuuk Pacific/Truk Pacific/Yap
Pacific/Easter Chile/EasterIsland
Pacific/Honolulu Pacific/Johnston US/Hawaii
Pacific/Kanton Pacific/Enderbury
Pacific/Kwajalein Kwajalein
Pacific/Pago_Pago Pacific/Samoa US/Samoa
Pacific/Pohnpei Pacific/Ponape
"""

# Short and long name in standard time, short and long name in daylight time (empty: none); then the zones.
_NAMES = """
ACST|Australian Central Standard Time|ACDT|Australian Central Daylight Time
  Australia/Adelaide Australia/Broken_Hill Australia/Darwin
ACT|Acre Standard Time|ACST|Acre Summer Time
  America/Eirunepe America/Rio_Branco
ACWST|Australian Central Western Standard Time|ACWDT|Australian Central Western Daylight Time
  Australia/Eucla
AEST|Australian Eastern Standard Time|AEDT|Australian Eastern Daylight Time
  Antarctica/Macquarie Australia/Brisbane Australia/Hobart Australia/Lindeman Australia/Melbourne Australia/Sydney
AFT|Afghanistan Time||
  Asia/Kabul
AKST|Alaska Standard Time|AKDT|Alaska Daylight Time
  America/Anchorage America/Juneau America/Metlakatla America/Nome America/Sitka America/Yakutat
ALMT|East Kazakhstan Time|ALMST|Alma-Ata Summer Time
  Asia/Almaty
AMT|Amazon Standard Time|AMST|Amazon Summer Time
  America/Boa_Vista America/Campo_Grande America/Cuiaba America/Manaus America/Porto_Velho
AMT|Armenia Standard Time|AMST|Armenia Summer Time
  Asia/Yerevan
ANAT|Anadyr Standard Time|ANAST|Anadyr Summer Time
  Asia/Anadyr
AQTT|West Kazakhstan Time|AQTST|Aqtau Summer Time
  Asia/Aqtau
AQTT|West Kazakhstan Time|AQTST|Aqtobe Summer Time
  Asia/Aqtobe
ART|Argentina Standard Time|ARST|Argentina Summer Time
  America/Argentina/Buenos_Aires America/Argentina/Catamarca America/Argentina/Cordoba America/Argentina/Jujuy
  America/Argentina/La_Rioja America/Argentina/Mendoza America/Argentina/Rio_Gallegos America/Argentina/Salta
  America/Argentina/San_Juan America/Argentina/San_Luis America/Argentina/Tucuman America/Argentina/Ushuaia
AST|Arabian Standard Time|ADT|Arabian Daylight Time
  Asia/Aden Asia/Baghdad Asia/Bahrain Asia/Kuwait Asia/Qatar Asia/Riyadh
AST|Atlantic Standard Time|ADT|Atlantic Daylight Time
  America/Anguilla America/Antigua America/Aruba America/Barbados America/Blanc-Sablon America/Curacao
  America/Dominica America/Glace_Bay America/Goose_Bay America/Grenada America/Guadeloupe America/Halifax
  America/Kralendijk America/Lower_Princes America/Marigot America/Martinique America/Moncton America/Montserrat
  America/Port_of_Spain America/Puerto_Rico America/Santo_Domingo America/St_Barthelemy America/St_Kitts
  America/St_Lucia America/St_Thomas America/St_Vincent America/Thule America/Tortola Atlantic/Bermuda
AWST|Australian Western Standard Time|AWDT|Australian Western Daylight Time
  Australia/Perth
AWST|Casey Time||
  Antarctica/Casey
AZOT|Azores Standard Time|AZOST|Azores Summer Time
  Atlantic/Azores
AZT|Azerbaijan Standard Time|AZST|Azerbaijan Summer Time
  Asia/Baku
BDT|Bangladesh Standard Time|BDST|Bangladesh Summer Time
  Asia/Dhaka
BNT|Brunei Darussalam Time||
  Asia/Brunei
BOT|Bolivia Time|BOST|Bolivia Summer Time
  America/La_Paz
BRT|Brasilia Standard Time|BRST|Brasilia Summer Time
  America/Araguaina America/Bahia America/Belem America/Fortaleza America/Maceio America/Recife America/Santarem
  America/Sao_Paulo
BST|Bougainville Standard Time||
  Pacific/Bougainville
BTT|Bhutan Time||
  Asia/Thimphu
CAT|Central Africa Time||
  Africa/Blantyre Africa/Bujumbura Africa/Harare Africa/Kigali Africa/Lubumbashi Africa/Lusaka Africa/Maputo
CAT|Central Africa Time|CAST|Central African Summer Time
  Africa/Gaborone Africa/Juba Africa/Khartoum
CAT|Central Africa Time|WAT|Western African Time
  Africa/Windhoek
CCT|Cocos Islands Time||
  Indian/Cocos
CET|Central European Standard Time|CEST|Central European Summer Time
  Africa/Algiers Africa/Ceuta Africa/Tunis Arctic/Longyearbyen Europe/Amsterdam Europe/Andorra Europe/Belgrade
  Europe/Berlin Europe/Bratislava Europe/Brussels Europe/Budapest Europe/Busingen Europe/Copenhagen Europe/Gibraltar
  Europe/Ljubljana Europe/Luxembourg Europe/Madrid Europe/Malta Europe/Monaco Europe/Oslo Europe/Paris
  Europe/Podgorica Europe/Prague Europe/Rome Europe/San_Marino Europe/Sarajevo Europe/Skopje Europe/Stockholm
  Europe/Tirane Europe/Vaduz Europe/Vatican Europe/Vienna Europe/Warsaw Europe/Zagreb Europe/Zurich
CET|Central European Time|CEST|Central European Summer Time
  CET
CHAST|Chatham Standard Time|CHADT|Chatham Daylight Time
  Pacific/Chatham
CHOT|Ulaanbaatar Standard Time|CHOST|Ulaanbaatar Summer Time
  Asia/Choibalsan
CHUT|Chuuk Time||
  Pacific/Chuuk
CKT|Cook Islands Standard Time|CKHST|Cook Islands Half Summer Time
  Pacific/Rarotonga
CLT|Chile Standard Time|CLST|Chile Summer Time
  America/Santiago
CLT|Chile Time|CLST|Chile Summer Time
  Antarctica/Palmer
COT|Colombia Standard Time|COST|Colombia Summer Time
  America/Bogota
CST|Central Standard Time|CDT|Central Daylight Time
  America/Bahia_Banderas America/Belize America/Chicago America/Chihuahua America/Costa_Rica America/El_Salvador
  America/Guatemala America/Indiana/Knox America/Indiana/Tell_City America/Managua America/Matamoros
  America/Menominee America/Merida America/Mexico_City America/Monterrey America/North_Dakota/Beulah
  America/North_Dakota/Center America/North_Dakota/New_Salem America/Ojinaga America/Rainy_River
  America/Rankin_Inlet America/Regina America/Resolute America/Swift_Current America/Tegucigalpa America/Winnipeg
  CST6CDT
CST|China Standard Time|CDT|China Daylight Time
  Asia/Macau Asia/Shanghai
CST|Cuba Standard Time|CDT|Cuba Daylight Time
  America/Havana
CST|Taipei Standard Time|CDT|Taipei Daylight Time
  Asia/Taipei
CVT|Cape Verde Standard Time|CVST|Cape Verde Summer Time
  Atlantic/Cape_Verde
CXT|Christmas Island Time||
  Indian/Christmas
ChST|Chamorro Standard Time|ChDT|Chamorro Daylight Time
  Pacific/Guam Pacific/Saipan
DAVT|Davis Time||
  Antarctica/Davis
DDUT|Dumont-d’Urville Time||
  Antarctica/DumontDUrville
EAST|Easter Island Standard Time|EASST|Easter Island Summer Time
  Pacific/Easter
EAT|East Africa Time|EAST|Eastern African Summer Time
  Africa/Addis_Ababa Africa/Asmara Africa/Dar_es_Salaam Africa/Djibouti Africa/Kampala Africa/Mogadishu
  Africa/Nairobi Indian/Antananarivo Indian/Comoro Indian/Mayotte
ECT|Ecuador Time|ECST|Ecuador Summer Time
  America/Guayaquil
EET|Eastern European Standard Time|EEST|Eastern European Summer Time
  Africa/Cairo Africa/Tripoli Asia/Amman Asia/Beirut Asia/Damascus Asia/Gaza Asia/Hebron Asia/Nicosia Europe/Athens
  Europe/Bucharest Europe/Chisinau Europe/Helsinki Europe/Kaliningrad Europe/Kiev Europe/Mariehamn Europe/Nicosia
  Europe/Riga Europe/Sofia Europe/Tallinn Europe/Uzhgorod Europe/Vilnius Europe/Zaporozhye
EET|Eastern European Time|EEST|Eastern European Summer Time
  Asia/Famagusta EET
EGT|East Greenland Standard Time|EGST|East Greenland Summer Time
  America/Scoresbysund
EST|Eastern Standard Time|EDT|Eastern Daylight Time
  America/Atikokan America/Cancun America/Cayman America/Detroit America/Grand_Turk America/Indiana/Indianapolis
  America/Indiana/Marengo America/Indiana/Petersburg America/Indiana/Vevay America/Indiana/Vincennes
  America/Indiana/Winamac America/Iqaluit America/Jamaica America/Kentucky/Louisville America/Kentucky/Monticello
  America/Nassau America/New_York America/Nipigon America/Panama America/Pangnirtung America/Port-au-Prince
  America/Thunder_Bay America/Toronto EST EST5EDT
FJT|Fiji Standard Time|FJST|Fiji Summer Time
  Pacific/Fiji
FKT|Falkland Islands Standard Time|FKST|Falkland Islands Summer Time
  Atlantic/Stanley
FNT|Fernando de Noronha Standard Time|FNST|Fernando de Noronha Summer Time
  America/Noronha
GALT|Galapagos Time|GALST|Galapagos Summer Time
  Pacific/Galapagos
GAMT|Gambier Time||
  Pacific/Gambier
GET|Georgia Standard Time|GEST|Georgia Summer Time
  Asia/Tbilisi
GFT|French Guiana Time||
  America/Cayenne
GILT|Gilbert Islands Time||
  Pacific/Tarawa
GMT|Greenwich Mean Time||
  Africa/Abidjan Africa/Bamako Africa/Banjul Africa/Bissau Africa/Conakry Africa/Dakar Africa/Lome Africa/Monrovia
  Africa/Nouakchott Africa/Ouagadougou Africa/Sao_Tome Atlantic/St_Helena Etc/GMT
GMT|Greenwich Mean Time|BST|British Summer Time
  Europe/Guernsey Europe/Isle_of_Man Europe/Jersey Europe/London
GMT|Greenwich Mean Time|CEST|Central European Summer Time
  Antarctica/Troll
GMT|Greenwich Mean Time|GHST|Ghana Summer Time
  Africa/Accra
GMT|Greenwich Mean Time|GMT|Greenwich Mean Time
  Africa/Freetown America/Danmarkshavn Atlantic/Reykjavik
GMT|Greenwich Mean Time|IST|Irish Standard Time
  Europe/Dublin
GMT+04:00|Astrakhan Standard Time|GMT+04:00|Astrakhan Standard Time
  Europe/Astrakhan
GMT+04:00|Saratov Standard Time|GMT+04:00|Saratov Standard Time
  Europe/Saratov
GMT+04:00|Ulyanovsk Standard Time|GMT+04:00|Ulyanovsk Standard Time
  Europe/Ulyanovsk
GMT+05:00|West Kazakhstan Time|GMT+05:00|Atyrau Daylight Time
  Asia/Atyrau
GMT+07:00|Barnaul Standard Time|GMT+07:00|Barnaul Daylight Time
  Asia/Barnaul
GMT+07:00|Tomsk Standard Time|GMT+07:00|Tomsk Daylight Time
  Asia/Tomsk
GMT+13:00|Kanton Standard Time||
  Pacific/Kanton
GMT-03:00|Punta Arenas Standard Time|GMT-03:00|Punta Arenas Standard Time
  America/Punta_Arenas
GST|Gulf Standard Time||
  Asia/Dubai Asia/Muscat
GST|South Georgia Time||
  Atlantic/South_Georgia
GYT|Guyana Time||
  America/Guyana
HAST|Hawaii-Aleutian Standard Time|HADT|Hawaii-Aleutian Daylight Time
  America/Adak
HKT|Hong Kong Standard Time|HKST|Hong Kong Summer Time
  Asia/Hong_Kong
HOVT|Hovd Standard Time|HOVST|Hovd Summer Time
  Asia/Hovd
HST|Hawaii Standard Time||
  HST
HST|Hawaii-Aleutian Standard Time|HDT|Hawaii-Aleutian Daylight Time
  Pacific/Honolulu
ICT|Indochina Time||
  Asia/Bangkok Asia/Ho_Chi_Minh Asia/Phnom_Penh Asia/Vientiane
IOT|Indian Ocean Time||
  Indian/Chagos
IRKT|Irkutsk Standard Time|IRKST|Irkutsk Summer Time
  Asia/Irkutsk
IRST|Iran Standard Time|IRDT|Iran Daylight Time
  Asia/Tehran
IST|India Standard Time|IDT|India Daylight Time
  Asia/Colombo Asia/Kolkata
IST|Israel Standard Time|IDT|Israel Daylight Time
  Asia/Jerusalem
JST|Japan Standard Time|JDT|Japan Daylight Time
  Asia/Tokyo
KGT|Kyrgyzstan Time|KGST|Kirgizstan Summer Time
  Asia/Bishkek
KOST|Kosrae Time||
  Pacific/Kosrae
KRAT|Krasnoyarsk Standard Time|KRAST|Krasnoyarsk Summer Time
  Asia/Krasnoyarsk Asia/Novokuznetsk
KST|Korean Standard Time|KDT|Korean Daylight Time
  Asia/Pyongyang Asia/Seoul
LHST|Lord Howe Standard Time|LHDT|Lord Howe Daylight Time
  Australia/Lord_Howe
LINT|Line Islands Time||
  Pacific/Kiritimati
MAGT|Magadan Standard Time|MAGST|Magadan Summer Time
  Asia/Magadan
MART|Marquesas Time||
  Pacific/Marquesas
MAWT|Mawson Time||
  Antarctica/Mawson
MET|Middle Europe Time|MEST|Middle Europe Summer Time
  MET
MHT|Marshall Islands Time||
  Pacific/Kwajalein Pacific/Majuro
MMT|Myanmar Time||
  Asia/Yangon
MSK|Moscow Standard Time|MSD|Moscow Daylight Time
  Europe/Kirov
MSK|Moscow Standard Time|MSD|Moscow Summer Time
  Europe/Minsk Europe/Moscow Europe/Simferopol
MSK|Volgograd Standard Time|MSD|Volgograd Summer Time
  Europe/Volgograd
MST|Mexican Pacific Standard Time|MDT|Mexican Pacific Daylight Time
  America/Hermosillo America/Mazatlan
MST|Mountain Standard Time|MDT|Mountain Daylight Time
  America/Boise America/Cambridge_Bay America/Creston America/Dawson America/Dawson_Creek America/Denver
  America/Edmonton America/Fort_Nelson America/Inuvik America/Phoenix America/Whitehorse America/Yellowknife MST
  MST7MDT
MUT|Mauritius Standard Time|MUST|Mauritius Summer Time
  Indian/Mauritius
MVT|Maldives Time||
  Indian/Maldives
MYT|Malaysia Time|MYST|Malaysia Summer Time
  Asia/Kuala_Lumpur Asia/Kuching
NCT|New Caledonia Standard Time|NCST|New Caledonia Summer Time
  Pacific/Noumea
NFT|Norfolk Island Standard Time|NFST|Norfolk Island Daylight Time
  Pacific/Norfolk
NOVT|Novosibirsk Standard Time|NOVST|Novosibirsk Summer Time
  Asia/Novosibirsk
NPT|Nepal Time||
  Asia/Kathmandu
NRT|Nauru Time||
  Pacific/Nauru
NST|Newfoundland Standard Time|NDT|Newfoundland Daylight Time
  America/St_Johns
NUT|Niue Time||
  Pacific/Niue
NZST|New Zealand Standard Time|NZDT|New Zealand Daylight Time
  Antarctica/McMurdo Pacific/Auckland
OMST|Omsk Standard Time|OMSST|Omsk Summer Time
  Asia/Omsk
ORAT|West Kazakhstan Time|ORAST|Oral Summer Time
  Asia/Oral
PET|Peru Standard Time|PEST|Peru Summer Time
  America/Lima
PETT|Petropavlovsk-Kamchatski Standard Time|PETST|Petropavlovsk-Kamchatski Summer Time
  Asia/Kamchatka
PGT|Papua New Guinea Time||
  Pacific/Port_Moresby
PKT|Pakistan Standard Time|PKST|Pakistan Summer Time
  Asia/Karachi
PMST|St. Pierre & Miquelon Standard Time|PMDT|St. Pierre & Miquelon Daylight Time
  America/Miquelon
PONT|Ponape Time||
  Pacific/Pohnpei
PST|Pacific Standard Time|PDT|Pacific Daylight Time
  America/Los_Angeles America/Tijuana America/Vancouver PST8PDT
PST|Philippine Standard Time|PDT|Philippine Summer Time
  Asia/Manila
PST|Pitcairn Time||
  Pacific/Pitcairn
PWT|Palau Time||
  Pacific/Palau
PYT|Paraguay Standard Time|PYST|Paraguay Summer Time
  America/Asuncion
QOST|East Kazakhstan Time|QOSST|Kostanay Summer Time
  Asia/Qostanay
QYZT|West Kazakhstan Time|QYZST|Qyzylorda Summer Time
  Asia/Qyzylorda
RET|Réunion Time||
  Indian/Reunion
ROTT|Rothera Time||
  Antarctica/Rothera
SAKT|Sakhalin Standard Time|SAKST|Sakhalin Summer Time
  Asia/Sakhalin
SAMT|Samara Standard Time|SAMST|Samara Summer Time
  Europe/Samara
SAST|South Africa Standard Time|SAST|South Africa Summer Time
  Africa/Johannesburg Africa/Maseru Africa/Mbabane
SBT|Solomon Islands Time||
  Pacific/Guadalcanal
SCT|Seychelles Time||
  Indian/Mahe
SGT|Singapore Standard Time|SGST|Singapore Summer Time
  Asia/Singapore
SRET|Srednekolymsk Time|SREDT|Srednekolymsk Daylight Time
  Asia/Srednekolymsk
SRT|Suriname Time||
  America/Paramaribo
SST|Samoa Standard Time|SDT|Samoa Daylight Time
  Pacific/Midway Pacific/Pago_Pago
SYOT|Syowa Time||
  Antarctica/Syowa
TAHT|Tahiti Time||
  Pacific/Tahiti
TFT|French Southern & Antarctic Time||
  Indian/Kerguelen
TJT|Tajikistan Time|TJST|Tajikistan Summer Time
  Asia/Dushanbe
TKT|Tokelau Time||
  Pacific/Fakaofo
TLT|East Timor Time||
  Asia/Dili
TMT|Turkmenistan Standard Time|TMST|Turkmenistan Summer Time
  Asia/Ashgabat
TOT|Tonga Standard Time|TOST|Tonga Summer Time
  Pacific/Tongatapu
TRT|Turkey Time|TRST|Turkey Summer Time
  Asia/Istanbul Europe/Istanbul
TVT|Tuvalu Time||
  Pacific/Funafuti
ULAT|Ulaanbaatar Standard Time|ULAST|Ulaanbaatar Summer Time
  Asia/Ulaanbaatar
UTC|Coordinated Universal Time||
  Etc/UTC UTC
UYT|Uruguay Standard Time|UYST|Uruguay Summer Time
  America/Montevideo
UZT|Uzbekistan Standard Time|UZST|Uzbekistan Summer Time
  Asia/Samarkand Asia/Tashkent
VET|Venezuela Time||
  America/Caracas
VLAT|Vladivostok Standard Time|VLAST|Vladivostok Summer Time
  Asia/Ust-Nera Asia/Vladivostok
VOST|Vostok Time||
  Antarctica/Vostok
VUT|Vanuatu Standard Time|VUST|Vanuatu Summer Time
  Pacific/Efate
WAKT|Wake Island Time||
  Pacific/Wake
WAT|West Africa Standard Time|WAST|West Africa Summer Time
  Africa/Bangui Africa/Brazzaville Africa/Douala Africa/Kinshasa Africa/Lagos Africa/Libreville Africa/Luanda
  Africa/Malabo Africa/Ndjamena Africa/Niamey Africa/Porto-Novo
WET|Western European Standard Time|WEST|Western European Summer Time
  Atlantic/Canary Atlantic/Faroe Atlantic/Madeira Europe/Lisbon
WET|Western European Time|WEST|Western European Summer Time
  Africa/Casablanca Africa/El_Aaiun WET
WFT|Wallis & Futuna Time||
  Pacific/Wallis
WGT|West Greenland Standard Time|WGST|West Greenland Summer Time
  America/Nuuk
WIB|Western Indonesia Time||
  Asia/Jakarta Asia/Pontianak
WIT|Eastern Indonesia Time||
  Asia/Jayapura
WITA|Central Indonesia Time||
  Asia/Makassar
WSST|Apia Standard Time|WSDT|Apia Daylight Time
  Pacific/Apia
XJT|Xinjiang Standard Time||
  Asia/Urumqi
YAKT|Yakutsk Standard Time|YAKST|Yakutsk Summer Time
  Asia/Chita Asia/Khandyga Asia/Yakutsk
YEKT|Yekaterinburg Standard Time|YEKST|Yekaterinburg Summer Time
  Asia/Yekaterinburg
"""


@cache
def _canonical_ids() -> dict[str, str]:
    table = {}
    canonical = ""
    for line in _ALIASES.strip("\n").splitlines():
        ids = line.split()
        if not line.startswith(" "):
            canonical, *ids = ids
        table.update(dict.fromkeys(ids, canonical))
    return table


@cache
def _zone_names() -> dict[str, tuple[str, str, str, str]]:
    table = {}
    names = ("", "", "", "")
    for line in _NAMES.strip("\n").splitlines():
        if line.startswith(" "):
            table.update(dict.fromkeys(line.split(), names))
        else:
            short, long, daylight_short, daylight_long = line.split("|")
            names = (short, long, daylight_short, daylight_long)
    return table


def canonical_id(name: str) -> str:
    """Give the id that ``ZZZ`` prints for a zone: ``America/Los_Angeles`` for ``US/Pacific``."""
    return _canonical_ids().get(name, name)


def display_name(name: str, *, short: bool, daylight: bool) -> str | None:
    """Give a zone's English name; None where it has none and its offset is printed instead."""
    names = _zone_names().get(canonical_id(name))
    return (names[2 * daylight + (not short)] or None) if names else None
