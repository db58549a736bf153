"""The words around passwords: what they are called, how a sentence leads to one, and what follows the word without being one.

The languages are those of the platform's customers. Regular expressions are without flags of their own: used with IGNORECASE.
"""

from __future__ import annotations

COMPOUND = (
    r"pass[ _-]?word|pass[ _-]?w[oö]rt|passwd|pass[ _-]?phrase|pass[ _-]?code|pwd|kenn[ _-]?w[oö]rt|zugangs[ _-]?code|geheimzahl"
    r"|mots? de passe|motdepasse|contraseñ[ae]|contrasen[ae]|wachtwoord|adgangskode|kodeord|l[öo]senord|passord"
    r"|salasana(?:ni|si|nsa|mme|nne)?|hasł[oa]|heslo|hesla|lozink[ae]|jelsz(?:ó|o|ava[mk]?|avad)|парол(?:ь|я|ю|ем|и)"
    r"|ş[iİ]fre(?:m|n|si|niz|miz)?|pre-?shared[ -]?key|(?:wifi|wi-fi|wlan|wpa2?)[ -]?(?:key|code|schlüssel)|snmp community"
)
"""Also as the tail of a longer word: `userPassword`, `DB_PASSWORD`, `Benutzerpasswort`."""

SHORT = r"pw|pass|pin|pin ?code|mdp|clave|senhas?|parol[aă](?:m|n|s[ıi]|n[ıi]z)?|haslo|sifre(?:m|n|si|niz)?|psk|otp(?: code)?"
"""Only as words of their own, or behind a sign: `db_pass`."""

_HINTS = """
    pass pwd kenn zugangs geheimzahl contrase wachtwoord adgangskode kodeord senord salasana hasł hesl lozink jelsz пар ifre shared
    wifi wi-fi wlan wpa snmp
"""
HINTS = tuple(_HINTS.split())
"""What a text with one of COMPOUND has in it, in lower case."""

SHORT_HINTS = "pw|pin|mdp|clave|senha|parol|haslo|sifre|psk|otp"
"""How a word of SHORT begins."""

ENDINGS = "s|es|en|er|et|erna|n"

UNSPACED = "密码|密碼|口令|パスワード|暗証番号|비밀번호"
"""Of languages that put no space between words."""

VERBS = (
    "is|are|was|were|will be|would be|should be|becomes|equals|ist|sind|lautet|lauten|war|waren|wäre|er|est|était|sera|sont"
    "|è|é|sarà|será|são|jest|är|blir"
)
BOUND_VERBS = {
    "salasana": "on",
    "hesl": "je|bude",
    "lozink": "je|bude",
    "parol": "este|je|to|jest",
    "contras": "es",
    "clave": "es",
    "has": "to",
}
"""Verbs that are other words in other languages, by the beginning of the key words that they belong to."""

ADVERBS = "now|jetzt|nu|still|noch|currently|again|maintenant|ahora|aktuell"
CHANGED = "changed|set|reset|updated|geändert|gesetzt|zurückgesetzt|changé|cambiada|ændret|ändrat"
CHANGED_TO = "to|auf|zu|en|a|til|till"
WHOSE = "for|für|von|vom|of|til|till|för|pour|du|des|de|del|della|di|voor|van|per|para|do|da|to|zu|zum|zur|on|in|at|dla|pro|для|от"
QUALIFIERS = "new|old|temporary|temp|initial|default|current|neu|alt|temporär|admin|root|wifi|wlan|vpn|windows|login"
OWNERS = "my|the|his|her|our|your|mein|das|sein|ihr|unser|mit|le|mon|mi"
INTRODUCING = frozenset(f"{QUALIFIERS}|{OWNERS}".split("|"))
"""What stands before the key word where it opens its line as a label: `New password`."""
_NOUNS = """
    user users username account accounts login logins mail email e-mail host server device following benutzer konto
"""
ACCOUNT_NOUNS = frozenset(_NOUNS.split())
"""`password for user: anna` names an account, and no password yet."""

_FUNCTION = """
    a an the your not no now again still also and or but if when because too very being been about all in on at by for from with
    without of as it that this these those what which who how is was are were be has have had does do did will would can could
    may must should cannot can't won't don't doesn't didn't isn't wasn't hasn't
    there here so only just never always last recently until since after before while out up over
    under via their its to please bitte
    zu der die das ein eine kein nie noch schon jetzt wieder nicht leider ist war wird wurde und oder aber wenn weil ikke
    pas plus ne et
"""
_STATES = """
    wrong right incorrect invalid valid expired missing required unknown due ok okay same different empty blank none new yes
    locked working accepted rejected refused changed requested known forgotten stored saved set reset broken stolen gone n/a
    case-sensitive unreadable visible unchanged expires expire
    abgelaufen falsch richtig unbekannt ungültig gültig vergessen gesperrt geändert neu korrekt bekannt weg leer abgelehnt
    forkert udløbet glemt expiré incorrecte incorrecto caducada incorrecta
"""
_REMARKS = """
    my his her our mein fine good bad correct old alt weak strong long short lost sent given shown written taken mine yours
    default something anything match comply avoid meet one-time easy hard safe secure simple complex
"""
STATES = frozenset(_STATES.split())
PROSE = STATES | frozenset(_FUNCTION.split())
"""Words of sentences: a passphrase has none of them."""
ORDINARY = PROSE | frozenset(_REMARKS.split())
"""What goes on after `password is` without being the password."""
