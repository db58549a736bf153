"""Passwords and PINs written in words, as people write them into tickets, in the languages of the platform's customers.

`My password is Sunflower-19`, `PW: Sommer2024!`, `Passwort lautet "drei rote Hunde"`, `login admin / Winter!25`. What follows a
verb is taken for a password unless it is an ordinary continuation (`password is wrong`); without verb or colon it must look like
one (`password policy` doesn't).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from processors.synthesize.writer.masking.spans import Kind, Span

_WORDS = (
    "pass ?word|pass ?wort|passwd|pass ?phrase|pass ?code|pwd|pw|pass|pin|pin ?code|kenn ?wort|zugangs ?code|geheimzahl"
    "|mot de passe|mdp|contraseña|contrasena|clave|wachtwoord|adgangskode|kodeord|adgangskoden|lösenord|passord|salasana"
    "|hasło|haslo|senha|parola|heslo|pre-?shared[ -]?key|psk|(?:wifi|wi-fi|wlan|wpa2?)[ -]?(?:key|code|schlüssel|passwort)"
    "|wlan-?schlüssel|snmp community"
)
# Looks ahead for the value, so that what follows a key word can be a key word again.
_AFTER = re.compile(
    rf"(?<![\w-])(?P<word>{_WORDS})(?:s|es|en)?(?![\w-])"
    r"(?=(?P<who>[ \t]+(?:for|für|von|of|til|pour|de|to|to the|for the)[ \t]+\S{1,40}){0,2}"
    r"(?P<join>[ \t]*[:=][ \t]*|[ \t]*(?:->|=>|→)[ \t]*"
    r"|[ \t]+(?:is|was|ist|lautet|war|wäre|er|est|es|è|jest|är|becomes|to|set to)"
    r"(?:[ \t]+(?:changed|set|reset|geändert|gesetzt)[ \t]+(?:to|auf|zu))?"
    r"(?:[ \t]+(?:now|jetzt|nu|still|noch))?[ \t]*:?[ \t]+"
    r"|[ \t]+)"
    r"(?P<value>\"[^\"\n]{3,80}\"|'[^'\n]{3,80}'|„[^“”\n]{3,80}[“”]|“[^”\n]{3,80}”|`[^`\n]{3,80}`|\S{3,100}))",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    rf"(?<!\S)(?P<value>\S{{4,100}})[ \t]+(?:is|was|ist|war|er|est)[ \t]+(?:my|the|his|her|our|mein|das|sein|ihr|unser|mit|le)"
    rf"[ \t]+(?:new[ \t]+|neues[ \t]+|old[ \t]+)?(?:{_WORDS})(?![\w-])",
    re.IGNORECASE,
)
_PAIR = re.compile(
    r"(?<!\w)(?:credentials|logins?|zugangsdaten|anmeldedaten|user(?:name)?|benutzer(?:name)?|account)\b"
    r"[^\n/]{0,40}?[ \t:]\S{1,60}[ \t]*/[ \t]*(?P<value>[^\s/]{4,100})(?!\S*/)",
    re.IGNORECASE,
)
_CONTINUATIONS = """
    a an the my your his her our not no now again still also and or but if when because too very being been wrong right
    correct incorrect invalid valid expired old new missing required unknown due about ok okay fine good bad same
    different empty blank
    case-sensitive locked there here so only just all in on at by for from with without of as it that this what which who how
    working accepted rejected refused changed requested weak strong long short known forgotten lost stored saved set
    abgelaufen leider falsch richtig nicht kein nie noch schon jetzt wieder zu der die das ein eine mein unbekannt ungültig gültig
    vergessen gesperrt geändert neu alt korrekt bekannt weg leer abgelehnt
    forkert udløbet ikke glemt expiré incorrecte incorrecto caducada incorrecta
"""
_ORDINARY = frozenset(_CONTINUATIONS.split())
_TRAILING = ".,;:)]}>\"'"


def passwords(text: str) -> Iterator[Span]:
    for match in _AFTER.finditer(text):
        if _is_password(match["word"], match["join"], match["value"]):
            yield _span(match)
    for pattern in (_BEFORE, _PAIR):
        for match in pattern.finditer(text):
            if _looks_secret(_bare(match["value"])):
                yield _span(match)


def _is_password(word: str, join: str, value: str) -> bool:
    bare = _bare(value)
    if value[0] in "\"'„“`" and len(value) > 4 and join.strip() and word.lower() not in ("pass", "clave"):
        return True
    if word.lower() in ("pin", "pass", "clave") and (" " in bare or not any(c.isdigit() for c in bare)):
        return False
    if word.lower().startswith("pin"):
        return sum(c.isdigit() for c in bare) >= 4
    if not join.strip() or join.strip().lower() == "to":
        return _looks_secret(bare)
    return len(bare) >= 3 and bare.lower() not in _ORDINARY and not re.fullmatch(r"[a-z]+(?:ed|ing)", bare)


def _looks_secret(value: str) -> bool:
    """Letters with digits or signs in between, as passwords have them and words haven't."""
    if len(value) < 4 or value.startswith(("http", "\\", "{", "(")):
        return False
    digit = any(c.isdigit() for c in value)
    letter = any(c.isalpha() for c in value)
    sign = any(c in "!@#$%&*+=?~^_§" for c in value)
    return (digit and letter) or (sign and letter)


def _bare(value: str) -> str:
    return value.strip("\"'„“”`").rstrip(_TRAILING)


def _span(match: re.Match[str]) -> Span:
    value = match["value"]
    kept = value if value[0] in "\"'„“`" else value.rstrip(_TRAILING)
    return Span(match.start("value"), match.start("value") + max(1, len(kept)), Kind.PASSWORD)
