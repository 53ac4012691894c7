"""Does a prompt ask for lettering in the picture, and which words?

A rule may send such prompts to models that spell well. This is reading by pattern, not by understanding: it errs now
and then, and `tests/router/lettering_prompts.yaml` says how often.

What counts as asking:

- words to be spelled, quoted or not: a sign that says OPEN, a cake with "Happy 40th", the letter Q, the number 10;
- lettering named as such: caption, slogan, headline, handwriting, labelled parts, a speech bubble, a quote, a tattoo
  of a name;
- pictures that are documents: infographics, interface mockups, landing pages, the design of a menu, an invitation, a
  business card, a calendar or a flyer.

What does not: a poster, logo, label, map, meme, sign, neon sign or book cover of which no wording is mentioned; things
that merely bear letters (a keyboard, a newspaper being read, a menu in someone's hand); quoted titles of works,
nicknames and scare quotes; room left for text; text to be removed; text refused ("no text"), unless an exception
follows ('no text except "SALE"').

English, German, French, Spanish, Portuguese, Italian, Dutch, Polish, Russian, Ukrainian, Turkish, Chinese, Japanese,
Korean, Arabic and Hindi are read together: prompts mix languages and are too short for guessing one.

Time is linear in the length of the prompt: each pattern starts at a known place and looks a bounded way ahead.
"""

# ruff: noqa: RUF001 - letters that look like others are the subject here: Cyrillic, Turkish, curly quotes

import re
from collections.abc import Iterator
from typing import Final

_LOWER: Final = "a-zß-öø-ÿąćęłńóśźżğışа-яёєіїґ"
_UPPER: Final = "A-ZÀ-ÖØ-ÞĄĆĘŁŃÓŚŹŻĞİŞЀ-Я"

_WORDING: Final = rf"\s{{0,2}}(?::|\s(?-i:[{_UPPER}]))"
"""Follows a word that announces wording: a colon or a capital. Quotes are judged by `_is_lettering`."""

_GAP: Final = r"(?: [\w'’-]{1,25}){0,3}"
_DESIGNED: Final = r" (?:design|template|layout|mockup|for|with|announcing|advertising|about)\b"
_INTERFACE: Final = r" (?:ui|ux|mock-?ups?|design|screens?|interface|layout|wireframe)\b"
_PROSE: Final = r"(?! (?:an?|the|his|her|their|my|its|in|on|by|at|under|aloud|to|from|books?|newspapers?|magazines?)\b)"

# The first word, or one of several, then what has to follow it; a space stands for any short run of white space.
_CUES: Final[tuple[tuple[str, str], ...]] = (
    # Lettering named as such.
    (
        (
            "lettering lettered typography typographic slogan slogans headline headlines tagline taglines caption "
            "captions captioned subtitle subtitles subheadline inscription inscriptions inscribed wordmark "
            "wordmarks logotype monogram handwriting handwritten handlettered phrase quote initials labeled "
            "labelled numbered infographic infographics flowchart flashcard flashcards worksheet crossword "
            "wireframe alphabet"
        ),
        r"(?!-)",
    ),
    ("calligraphy", r"(?! (?:brush|pen|ink|set|master)\b)"),
    (
        "text",
        (
            r"(?<!for text)(?<!for the text)(?<!for your text)(?<!for my text)(?<!own text)(?! (?:messag|editor|"
            r"from\b))(?!-to-)"
        ),
    ),
    ("written", r"(?! by\b)"),
    ("speech thought word dialogue", r"(?<!blank speech)(?<!empty speech) (?:bubble|balloon)s?\b"),
    (
        "with",
        _GAP + r" (?:words?|text|writing|wording|titles?|names?|message|labels|numbers?|numerals|letters? \w\b)\b"
        r"(?! (?:character|tags?|plates?)\b)",
    ),
    (
        (
            "bold block big large huge giant neon gold golden red white black blue yellow green balloon bubble "
            "capital cursive metallic glowing wooden foil chrome wobbly"
        ),
        r"(?: (?!of\b)[\w-]{1,25})? (?:letters|caps)\b",
    ),
    ("letters", rf" (?:that |which )?(?:spell|say|form|read)|{_WORDING}"),
    ("letter", r" (?-i:[A-Z0-9])\b"),
    ("number", r" \d"),
    ("word words", rf"{_WORDING}|(?<=the word) (?:[\w-]{{1,25}} )?(?:made|formed|spelled|carved)\b"),
    # Verbs of wording.
    (
        "says say",
        (
            rf"(?:(?<=that says)|(?<=that say)|(?<=which says)|(?<=which say)|(?<=it says))"
            rf"(?! (?:everything|nothing|it all|goodbye)\b)|{_WORDING}"
        ),
    ),
    ("saying", _WORDING),
    ("reads", rf"(?:(?<=that reads)|(?<=which reads)|(?<=it reads)){_PROSE}|(?<!who reads){_WORDING}"),
    ("reading", r"\s{0,2}:|\s(?-i:[A-Z]{2})"),
    ("spells spelling spell spelled", rf" (?:out|the words?)\b|{_WORDING}"),
    ("wrote writes writing scribbled scrawled", r"\s{0,2}:|\s(?-i:(?:[A-Z]\s)?[A-Z]{2})"),
    ("be", r" read (?:on|in|as)\b"),
    ("write", rf"{_WORDING}|(?: the| a| my)? (?:words?|text|names?)\b"),
    (
        "engraved carved embroidered etched painted stamped printed tattooed",
        (
            rf"(?: with)?(?: the| a| his| her| my)? (?:names?|words?|initials|date)\b| on(?: the| a| his|"
            rf" her)? \w{{1,25}}:|{_WORDING}"
        ),
    ),
    (
        (
            "sign signs banner banners billboard placard plaque board whiteboard chalkboard shirt mug label labels "
            "note sticker tattoo cake screen neon graffiti poster flag badge cup bottle box package cover card "
            "envelope wall"
        ),
        r"(?:,? [\w'’-]{1,25}){0,3}?,?(?: that| which)? (?:say|says|saying|reads|reading|spelling|spells)\b" + _PROSE,
    ),
    (
        (
            "sign banner billboard placard plaque board shirt mug cake sticker schild neonschild banner transparent "
            "panneau enseigne pancarte letrero cartel pancarta cartello insegna placa faixa cartaz bord neonbord "
            "szyld tabliczka табличка вывеска вивіска"
        ),
        r" (?:with|mit|avec|con|com|met|z|с|з) (?-i:[A-ZА-Я]{2})",
    ),
    # Titles and names.
    ("title titles", rf"(?!\s{{0,2}}:?\s{{0,2}}[Cc]haracter){_WORDING}| (?:at|on|across|above|below|text|reading)\b"),
    ("name names", rf"{_WORDING}|,? (?:[\w'’-]{{1,25}},? )?(?:at|on|across|above|below|underneath)\b|(?<=place names)"),
    # Pictures that are documents.
    (
        (
            "flyer flyers leaflet brochure certificate diploma newsletter calendar menu invitation invitations "
            "invite resume"
        ),
        rf"{_DESIGNED}| (?:pages?|cards?)\b",
    ),
    ("business", rf" cards?{_DESIGNED}"),
    (
        "design create make",
        _GAP + r" (?:business cards?|menu|invitation|calendar|flyer|leaflet|brochure|certificate|"
        r"resume|worksheet|newsletter|newspaper|price list|ticket|receipt)\b",
    ),
    ("dashboard website web app login homepage signup checkout", _INTERFACE),
    ("ui", ""),
    ("landing", r" page\b"),
    ("newspaper front", r" (?:front page|page|headlines?|clipping)\b"),
    ("periodic", r" table\b"),
    # German.
    (
        (
            "aufschrift beschriftung beschriftungen beschriftet schriftzug schriftzüge überschrift spruch "
            "sprechblase sprechblasen untertitel inschrift geschrieben infografik visitenkarte"
        ),
        "",
    ),
    ("mit", _GAP + r" (?:worte?n?|wort|namen|titel|buchstaben|schrift|zahl)\b"),
    ("auf", _GAP + r" steht\b"),
    ("darauf worauf drauf", " steht"),
    ("zu te", rf" (?:lesen|lezen){_WORDING}"),
    ("einladung einladungskarte speisekarte", r" (?:zum|zur|für|mit)\b"),
    ("titel", _WORDING),
    # French.
    ("texte infographie", r"(?<!pour texte)(?<!pour du texte)"),
    ("bulle bulles", r" (?:de (?:dialogue|bd)|qui|disant|avec)\b"),
    ("écrit écrite inscrit marqué", rf"(?:(?<=est écrit)|(?<=soit écrit)|(?<=est inscrit)|(?<=est marqué))|{_WORDING}"),
    ("avec", _GAP + r" (?:mots?|titre|noms?|lettres?|message|légende)\b"),
    ("titre légende disant intitulé intitulée", _WORDING),
    ("qui", r" (?:dit|disent|indique)\b"),
    ("peut", rf" lire{_WORDING}"),
    ("carte", r" de visite\b"),
    # Spanish, Portuguese and Italian.
    ("texto testo frase frases lema eslogan infografía infográfico infografica rótulo", ""),
    ("que", rf" (?:diga|dice|digan|dicen|diz|dizem)\b| (?:ponga|pone|lea){_WORDING}"),
    ("se si", rf" (?:lea|lee|lê|legge){_WORDING}"),
    ("che", r" (?:dice|dicono|dica|recita)\b"),
    (
        "con com",
        _GAP + r" (?:palabras?|palavras?|parol[ae]|título|titolo|nombre|nome|letras?|lettere|leyenda|mensaje|"
        r"mensagem|messaggio)\b",
    ),
    ("escrito escrita escritas escritos", rf"{_WORDING}| (?:en|em|à|na|no|com|con)\b"),
    ("título titolo titulada titulado intitulado intitulada intitolato intitolata dizendo diciendo", _WORDING),
    ("scritta scritte scritto", r"(?! da\b)"),
    ("globo balão balões", r" de (?:diálogo|fala)\b"),
    ("tarjeta cartão biglietto", r" d[ea] (?:presentación|visita)\b"),
    ("invitación convite invito", r" (?:de|para|per|a|al)\b"),
    ("nuvoletta fumetto", r" (?:con|che)\b"),
    # Dutch.
    ("tekst opschrift onderschrift spreuk tekstballon tekstballonnen visitekaartje", ""),
    ("met", _GAP + r" (?:woord|woorden|titel|naam|letters)\b"),
    ("waarop", r"(?: \w{1,25}){0,2} (?:staat|geschreven)\b"),
    # Polish.
    (
        (
            "napis napisem napisy napisami tekstem teksty tytułem hasło hasłem podpisem słowem słowami nazwą "
            "literami napisane napisano dymkiem infografika infografikę wizytówka wizytówkę"
        ),
        "",
    ),
    ("tytuł słowo słowa", _WORDING),
    ("nazwa", rf"(?: \w{{1,25}})?{_WORDING}"),
    # Russian and Ukrainian.
    (
        (
            "надпись надписью надписи надписями написано напиши написать текст текстом словом словами названием "
            "заголовок заголовком слоган слоганом лозунг лозунгом подпись подписью буквами именем цитата цитатой "
            "фраза фразой инфографика инфографику визитка визитку"
        ),
        "",
    ),
    (
        (
            "напис написом написи написами назвою гасло гаслом літерами підпис підписом фразою цитатою інфографіка "
            "інфографіку візитка візитку"
        ),
        "",
    ),
    ("слово слова название назва титул заголовки", _WORDING),
    # Turkish.
    ("yazan", r"(?<!kitap yazan)(?<!mektup yazan)(?<!şiir yazan)(?<!yazı yazan)"),
    ("yazsın yazılı yazıyor yazısı yazısıyla yazı metni metin infografik kartvizit davetiye", ""),
    ("başlık başlığı", _WORDING),
)

_CUES_ON_A_SURFACE: Final = (
    ("titled entitled called named name brand namens genannt genaamd appelé llamada", _WORDING),
)
"""These name a thing; the name is to be painted when the thing is lettered by habit: a logo, a cover."""

_SURFACES: Final = frozenset(
    [
        "logo",
        "logos",
        "logotipo",
        "logotyp",
        "логотип",
        "logosu",
        "cover",
        "buchcover",
        "portada",
        "couverture",
        "copertina",
        "capa",
        "okładka",
        "обложка",
        "label",
        "packaging",
        "flyer",
        "brochure",
        "banner",
        "billboard",
        "sign",
        "signage",
        "storefront",
        "shopfront",
        "poster",
        "badge",
        "emblem",
    ]
)

_NOUN: Final = (
    r"(?:texts?|words?|letters?|lettering|writings?|wording|captions?|titles?|headlines?|typography|fonts?|subtitles|"
    r"slogans?|labels?|inscriptions?|signage|"
    r"texte|schrift|schriftzüge?|buchstaben|beschriftung(?:en)?|wörter|worte|titel|aufschrift|"
    r"mots?|lettres?|titre|écritures?|légende|textos?|letras?|palabras?|palavras?|títulos?|"
    r"test[oi]|scritt[aeo]|lettere|parol[ae]|titolo|tekst|woorden|"
    r"tekstu|tekstów|napisów|napisu|liter|słów|tytułu|"
    r"текста?|текстов|надпись|надписей|надписи|букв|слов|подписей|заголовков|тексту|текстів|написів|напис|"
    r"напису|літер|слів)\b"
)
_JOIN: Final = (
    r"(?:\s{1,2}|\s?[,/&]\s?)(?:(?:or|and|nor|no|any|oder|und|keine?|ni|y|et|ou|o|e|of|en|geen|i|ani|и|или|і|та) ){0,2}"
)
_STOP: Final = r"(?!(?:with|that|which|says?|saying|reading|only|just|but|except|mit|avec|con|com|met|с|з|z)\b)"

# A refusal of lettering, from the first word to the last of the nouns it refuses.
_REFUSALS: Final = (
    (
        (
            "no not without never avoid exclude excluding remove erase delete minus zero don doesn shouldn ohne "
            "kein keine keinen keinerlei nicht entferne sans aucun aucune pas supprime enlève efface sin ningún "
            "ninguna quita elimina borra sem remova apague tire rimuovi togli cancella verwijder lösche sem nenhum "
            "nenhuma não senza nessun nessuna non zonder geen bez żadnych żadnego usuń без никаких никакого ніяких "
            "удали убери прибери видали"
        ),
        (
            rf"(?:['’]t)?(?:(?: {_STOP}[\w'’-]{{1,25}}){{0,4}}? {_NOUN}"
            rf"|(?:,? {_STOP}[\w'’-]{{1,25}}){{0,4}}?,? {_NOUN}(?!\s{{0,2}}[:\"“„«]))"
            rf"(?:{_JOIN}{_NOUN}){{0,8}}"
        ),
    ),
    ("text texts type word textfrei", r"(?:-|‐| )(?:free|less)\b"),
    ("negative negative_prompt", r"(?: prompt)?\"?\s{0,2}:(?s:.*)"),
)

_EXCEPT: Final = re.compile(
    r",?\s{0,2}(?:except|other than|besides|apart from|aside from|außer|sauf|hormis|excepto|salvo|exceto|"
    r"tranne|eccetto|behalve|oprócz|poza|кроме|крім)\b",
    re.IGNORECASE,
)

_UNDONE: Final = re.compile(
    r"\s{0,2}[:=]\s{0,2}(?:none|no)\b|(?:\s\w{1,25})?\s(?:yok|olmadan|olmasın|içermesin|içermeyen|"
    r"bulunmasın|istemiyorum)\b|(?:\s\w{1,25}){0,2}\s(?:should|must|may)(?:\snot|n['’]t)\b",
    re.IGNORECASE,
)
"""Follows a word for lettering and takes it back: text: none, yazı olmadan."""


def _by_word(table: tuple[tuple[str, str], ...]) -> dict[str, re.Pattern[str]]:
    tails: dict[str, list[str]] = {}
    for words, tail in table:
        for word in words.split():
            tails.setdefault(word, []).append(_spaced(tail))
    return {word: re.compile("|".join(f"(?:{t})" for t in each), re.IGNORECASE) for word, each in tails.items()}


def _spaced(tail: str) -> str:
    # A look-behind has to have a fixed width, so a space within one stays as it is.
    parts = re.split(r"(\(\?<[=!][^)]*\))", tail)
    return "".join(part if part.startswith("(?<") else part.replace(" ", r"\s{1,3}") for part in parts)


_CUE: Final = _by_word(_CUES)
_CUE_ON_A_SURFACE: Final = _by_word(_CUES_ON_A_SURFACE)
_REFUSAL: Final = _by_word(_REFUSALS)
_TRIGGERS: Final = frozenset(_CUE) | frozenset(_CUE_ON_A_SURFACE)
_WORD: Final = re.compile(r"\w+")

# Scripts written without spaces, or with particles joined to the word: looked for anywhere in the prompt.
_JOINED_SCRIPT: Final = re.compile("[\u0600-\u06ff\u0900-\u097f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
_JOINED_CUE: Final = re.compile(
    # Chinese
    "[写寫][着著有上道]|印[有着著]|刻[有着著]|标题|標題|文字|字样|字樣|标语|標語|口号|文案|字幕|题字|題字|[两几一二三四个]个?大?字|大字|"
    "对话框|對話框|气泡|信息图|信息圖|名片设计|菜单设计|书法|書法|(?:设计|設計)[^,,。\n]{0,6}(?:名片|菜单|請柬|请柬|邀请函|日历)|"
    # Japanese
    "と書[かいく]|書かれた|吹き出し|タイトル|見出し|キャッチコピー|テキスト|題名|という言葉|文言|インフォグラフィック|セリフ|台詞|レタリング|(?:名刺|メニュー表?|招待状)の?デザイン|"
    # Korean
    "(?:라고|라는) ?(?:적|쓰|써|쓴|말)|문구|글자|글씨|텍스트|제목|말풍선|슬로건|"
    "캘리그라피|자막|인포그래픽|레터링|헤드라인|(?:명함|메뉴판|초대장) ?디자인|"
    # Arabic
    r"مكتوب|كُتب|(?<!\w)كتب علي|عبارة|(?<!\w)[وب]?عنوان|(?<!\w)[وب]?(?:ال)?(?:نص|كلمة|كلمات|اسم|كتابة|"
    r"حروف)(?!\w)|فقاعة|خط عربي|"
    # Hindi
    "लिखा|लिखी|लिखे|लिखो|लिखकर|शीर्षक|टेक्स्ट|शब्द|नारा|कैप्शन|स्लोगन|अक्षर|हेडलाइन|सुलेख|टाइटल|इन्फोग्राफिक"
)
_JOINED_REFUSAL: Final = re.compile(
    "(?:不要|不需要|不加|别加|不含|不带|不帶|没有|沒有|无|無|去掉|去除|删除|禁止|不出现)(?:任何|出现|有|其他)?(?:的)?(?:文字|字幕|文本|标题|標題|文案|字)|"
    "(?:文字|字幕|标题|標題)(?:都|全部)?(?:去掉|去除|删除|删掉|移除)|"
    "(?:文字|テキスト|字幕|タイトル|セリフ|文章)(?:[やと][^、。\n]{1,6})?[はもをが]?(?:一切)?(?:なし|無し|ない|無い|不要|要らない|いらない|入れ(?:な|ず)|"
    "いれな|含ま(?:な|ず)|抜き|消して|削除)|"
    "(?:글자|텍스트|글씨|문구|자막|제목)(?:[나와] ?[^ ,.\n]{1,6})?[는은가이를을]? ?(?:없|빼|제외|넣지|금지|제거|지워)|"
    r"(?:بدون|بلا|دون|من غير)(?: أي)? (?:نص|نصوص|كتابة|كتابات|كلمات|حروف|عبارات|عنوان)|(?:احذف|أزل|"
    r"امسح) (?:ال)?(?:نص|كتابة|كلمات|عبارة)|"
    "(?:बिना|कोई)(?: किसी)? (?:टेक्स्ट|शब्द|अक्षर|लिखावट)|(?:टेक्स्ट|शब्द|अक्षर) (?:नहीं|न हो|के बिना|हटा)"
)

_QUOTED: Final = re.compile(
    r"(?<![\w\\])\"(?=\S)(?P<straight>[^\"]{1,200})(?<=\S)\"|"
    r"(?<=[\u3040-\u30ff\u4e00-\u9fff])\"(?P<tight>[^\"]{1,200})\""
    r"|[“„](?P<curly>[^“”„]{1,200})[”“]|«(?P<angle>[^«»]{1,200})»|‹(?P<small>[^‹›]{1,200})›"
    r"|「(?P<corner>[^「」]{1,200})」|『(?P<double>[^『』]{1,200})』|《(?P<book>[^《》]{1,200})》"
    r"|(?<!\w)'(?=\S)(?P<single>(?:[^'\n]|'(?=\w)){1,100}+)(?<=\S)'(?!\w)"
    r"|‘(?=\S)(?P<raised>(?:[^‘’\n]|’(?=\w)){1,100}+)(?<=\S)’(?!\w)"
    r"|(?<!`)`(?P<tick>[^`\n]{1,200})`(?!`)"
)

_QUOTE: Final = re.compile("[\"'`“„«‹「『《‘]")

_MAX_QUOTATIONS: Final = 100
"""Later ones are not examined: nobody letters so many, and each costs some fifty microseconds."""

_BEFORE_CHARACTERS: Final = 60
_AFTER_CHARACTERS: Final = 30

_ANNOUNCED: Final = re.compile(
    r"(?:\b(?:says?|saying|reads?|reading|text|words?|title|headline|caption|captioned|slogan|tagline|"
    r"letters|lettering|spells?|spelling|written|write|inscription|sign|banner|label|labeled|labelled|quote|phrase|"
    r"aufschrift|schriftzug|titel|spruch|steht|titre|inscription|écrit|texte|texto|frase|título|dice|diga|diz|escrito|"
    r"escrita|testo|titolo|scritt[aoe]|opschrift|tekst|napis(?:em)?|tytuł|надписью|надпись|написано|текст|названием|"
    r"написом|напис|назвою|başlık|yazı)|标题[为是]?|[写寫印刻][着著有上]|文字[为是はが]?|タイトル[はが]?|제목은?|بعنوان|शीर्षक)"
    r"(?:\s(?:is|are|of|in|out|lautet|est|es|é))?\s{0,2}[:,]?\s{0,2}$",
    re.IGNORECASE,
)
_OF_A_WORK: Final = re.compile(
    r"(?:\b(?:styles? of|style|inspired by|based on|reminiscent of|(?:scene|character|still|shot|frame|"
    r"hero|look)s? from|as in|"
    r"like in|like|à la|a la|so-called|who (?:reads|is reading)|(?:man|woman|girl|boy|child|student) reading|"
    r"listening to|watching|playing|nicknamed|known as|aka|a\.k\.a\.|dubbed|alias|"
    r"im stil von|inspiriert von|szene aus|aus dem (?:film|buch|roman)|bekannt als|sogenannten?|"
    r"style de|inspiré[es]* (?:de|par)|scène d[eu]|surnommée?|estilo de|inspirad[oa] (?:en|em|por)|escena de|cena de|"
    r"stile di|ispirat[oa] a|scena d[ia]|stijl van|geïnspireerd op|w stylu|scena z|в стиле|по мотивам|кадр из|сцена из|"
    r"у стилі|кадр з|сцена з|по прозвищу)"
    r"(?:\s(?:the|a|der|die|das|le|la|el|il|o|de))?(?:\s(?:movie|film|book|novel|song|album|game|anime|"
    r"series|show|painting|"
    r"фильма|книги|фільму|książki|filmu|película|filme|roman))?|من فيلم|أسلوب|फिल्म)\s{0,2}$",
    re.IGNORECASE,
)
_OF_A_THING: Final = re.compile(
    r"\b(?:audiobook of|called|named|titled|entitled|movie|film|book|novel|song|album|game|anime|series|"
    r"show|painting|band|play|opera|audiobook|"
    r"namens|genannt|buch|roman|lied|appelée?s?|livre|chanson|llamad[oa]|película|libro|novela|canción|"
    r"chamad[oa]|filme|"
    r"livro|chiamat[oa]|romanzo|genaamd|boek|фильм[а-я]{0,2}|книг[а-я]|песн[а-я]|фільм[а-яі]{0,2}|filmu|"
    r"książki)\s{0,2}$",
    re.IGNORECASE,
)
_NOT_WANTED: Final = re.compile(
    r"\b(?:remove|erase|delete|entferne|supprime|enlève|efface|quita|elimina|borra|remova|rimuovi|"
    r"verwijder|usuń|удали|убери|прибери|видали)\b[^.;,\"“]{0,40}$"
    r"|\b(?:not|n['’]t|never)\s(?:write|say|use|include|put|add|show)\s{0,2}$",
    re.IGNORECASE,
)
_REPLACED_BEFORE: Final = re.compile(
    r"\b(?:replace|change|swap|ersetze|remplace|reemplaza)\b[^.;\"“]{0,40}$", re.IGNORECASE
)
_REPLACED_AFTER: Final = re.compile(r"\s{0,2}(?:with|to|by|for|into|durch|par|por|->|→)(?!\w)", re.IGNORECASE)
_QUALITY: Final = re.compile(
    r"(?:\s|-)(?:style[ds]?|look(?:ing)?|vibes?|effect|aesthetics?|light(?:ing)?|mode|mood|feel(?:ing)?|"
    r"theme|lens|shot|"
    r"picture|photo|image|version|era|pose|tarzında|filminden|film(?:i|inin)|stil|stijl)\b|\s?(?:风格|風格|風|"
    r"のような|スタイル|という映画|"
    r"の世界|스타일|영화)",
    re.IGNORECASE,
)
_SCARE_BEFORE: Final = re.compile(r"\b(?:an?|the|this|that|my|very|so|more|too)\s$", re.IGNORECASE)
_SCARE_AFTER: Final = re.compile(rf"\s[{_LOWER}]")
_PERSON_BEFORE: Final = re.compile(rf"(?<!\w)[{_UPPER}][\w.]{{0,25}}\s$")
_PERSON_AFTER: Final = re.compile(rf"\s[{_UPPER}][{_LOWER}]")
_JSON: Final = re.compile(r"\s{0,20}\{\s{0,20}\"")
_KEY: Final = re.compile(r"\"([^\"]{1,40})\"\s{0,3}:\s{0,3}\[?\s{0,3}$")
_KEY_OF_WORDING: Final = re.compile(r"text|title|headline|caption|lettering|words|slogan|tagline|label", re.IGNORECASE)
_CAPITALS: Final = re.compile(
    rf"\s{{0,2}}:?\s{{1,2}}((?:[{_UPPER}0-9][{_UPPER}0-9'’&!?-]{{0,25}})(?:\s[{_UPPER}0-9&][{_UPPER}0-9'’&!?-]{{0,25}}){{0,9}})(?!\w)"
)
_TWO_CAPITALS: Final = re.compile(rf"[{_UPPER}]{{2}}")


def asks_for_text(prompt: str) -> bool:
    """Whether the picture is to show legible lettering. Never raises; "" asks for none."""
    return next(_wishes(prompt), None) is not None


def words_asked_for(prompt: str) -> tuple[str, ...]:
    """What the picture should spell, in the prompt's order and writing, each once.

    Only what can be seen to be wording: quoted, or in capitals behind a word such as "says". Empty therefore does not
    mean that no text is asked for.
    """
    found = sorted((at, words) for at, words in _wishes(prompt) if words)
    return tuple(dict.fromkeys(words for _, words in found))


def _wishes(prompt: str) -> Iterator[tuple[int, str]]:
    """Each place that asks for lettering, with the words, or "" where they cannot be seen."""
    lowered = set(_WORD.findall(prompt.lower()))
    cued = not _TRIGGERS.isdisjoint(lowered)
    quoted = list(_QUOTED.finditer(prompt)) if _QUOTE.search(prompt) else []
    joined = not prompt.isascii() and _JOINED_SCRIPT.search(prompt) is not None
    if not (cued or quoted or joined):
        return
    keyed = _JSON.match(prompt) is not None
    if len(quoted) == 1 and quoted[0].group() == prompt.strip():
        quoted = []  # the whole prompt in quotes is a habit of pasting
    outside = prompt if keyed else _blank(prompt, [(match.start() + 1, match.end() - 1) for match in quoted])
    refused = list(_refused(outside)) if cued or quoted else []
    wanted = _blank(outside, refused)
    # A logo that is named and shall have no text does not show its name.
    lettered_by_habit = not refused and not _SURFACES.isdisjoint(lowered)
    refused_ends = {end + gap for _, end in refused for gap in (0, 1)}
    for match in quoted[:_MAX_QUOTATIONS]:
        kept = wanted[match.start()] == prompt[match.start()] and match.start() not in refused_ends
        if kept and _is_lettering(prompt, match, lettered_by_habit, keyed):
            yield match.start(), match[match.lastgroup or 0].strip(" \\\n")
    yield from ((end, "") for _, end in refused if _EXCEPT.match(outside, end))
    if cued:
        yield from _cued(wanted, lettered_by_habit)
    if joined and _JOINED_CUE.search(_JOINED_REFUSAL.sub(" ", wanted)):
        yield 0, ""


def _blank(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with spaces for the spans, which ascend, so that every position is kept."""
    parts: list[str] = []
    end = 0
    for start, stop in spans:
        parts += text[end:start], " " * (stop - start)
        end = stop
    return "".join([*parts, text[end:]])


def _refused(text: str) -> Iterator[tuple[int, int]]:
    end = 0
    for word in _WORD.finditer(text):
        pattern = _REFUSAL.get(word.group().lower())
        if pattern is None or word.start() < end:
            continue
        if match := pattern.match(text, word.end()):
            end = match.end()
            yield word.start(), end


def _cued(text: str, lettered_by_habit: bool) -> Iterator[tuple[int, str]]:
    for word in _WORD.finditer(text):
        lowered, at = word.group().lower(), word.end()
        if lowered not in _TRIGGERS or _UNDONE.match(text, at):
            continue
        cue, named = _CUE.get(lowered), _CUE_ON_A_SURFACE.get(lowered) if lettered_by_habit else None
        if (cue and cue.match(text, at)) or (named and named.match(text, at)):
            capitals = _CAPITALS.match(text, at)
            spelled = capitals and _TWO_CAPITALS.search(capitals[1])
            yield word.start(), capitals[1] if capitals and spelled else ""


def _is_lettering(prompt: str, match: re.Match[str], lettered_by_habit: bool, keyed: bool) -> bool:
    """Whether a quotation is to be painted, told by what stands around it. Quotations usually are."""
    words = match[match.lastgroup or 0].strip()
    before = prompt[max(0, match.start() - _BEFORE_CHARACTERS) : match.start()]
    after = prompt[match.end() : match.end() + _AFTER_CHARACTERS]
    if not _WORD.search(words) or words in {"n", "N"}:  # rock 'n' roll
        return False
    if keyed:
        key = _KEY.search(before)
        return key is not None and _KEY_OF_WORDING.search(key[1]) is not None
    if _NOT_WANTED.search(before) or (_REPLACED_BEFORE.search(before) and _REPLACED_AFTER.match(after)):
        return False
    if _OF_A_WORK.search(before) or _QUALITY.match(after):
        return False
    if _OF_A_THING.search(before):
        return lettered_by_habit
    if _ANNOUNCED.search(before):
        return True
    if match.lastgroup == "book":  # 《》 marks the title of a work
        return False
    if _PERSON_BEFORE.search(before) and _PERSON_AFTER.match(after):
        return False
    return not (words.islower() and _SCARE_BEFORE.search(before) and _SCARE_AFTER.match(after))
